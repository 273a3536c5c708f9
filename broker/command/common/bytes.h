/* SPDX-License-Identifier: MIT
 * Bytes of the wire and strings of C. */
#ifndef SKEP_COMMAND_COMMON_BYTES_H
#define SKEP_COMMAND_COMMON_BYTES_H

#include <command.h>
#include <stdbool.h>

bool bytes_are(struct skep_bytes bytes, const char *text);

/* Borrowed from text; none if that is NULL. */
struct skep_bytes bytes_of_text(const char *text);

#endif
