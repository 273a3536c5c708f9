/* SPDX-License-Identifier: MIT
 * Kinds of events, as the user names those that are wanted. */
#ifndef SKEP_COMMAND_COMMON_KINDS_H
#define SKEP_COMMAND_COMMON_KINDS_H

#include <command.h>
#include <stdbool.h>
#include <stdint.h>

enum { KINDS_TEXT_BYTES = 256 };

/* Reads names separated by commas into a set, a bit for each kind. False if one is unknown, or none is there. */
bool kinds_parse(const char *names, uint32_t *kinds);

/* Whether an event of this name is in the set. One of a broker of a later version is in none. */
bool kinds_have(uint32_t kinds, struct skep_bytes name);

/* All names, separated by commas. */
void kinds_text(char text[KINDS_TEXT_BYTES]);

#endif
