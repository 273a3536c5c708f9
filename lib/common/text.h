/* SPDX-License-Identifier: MIT
 * Bytes of the wire and strings of C. */
#pragma once

#include "command.h"

/* The bytes of a string, borrowed; none if it is NULL. */
struct skep_bytes skep__text(const char *text);

/* Whether bytes are those of a string. */
bool skep__text_is(struct skep_bytes bytes, const char *text);

/* Copies bytes to a buffer, cut to fit, and terminates them. */
void skep__copy_text(char *to, size_t capacity_bytes, const struct skep_bytes *from);
