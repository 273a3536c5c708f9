/* SPDX-License-Identifier: MIT
 * Numbers with bounds: parsed, and explained in words. */
#ifndef SKEP_COMMAND_COMMON_BOUNDS_H
#define SKEP_COMMAND_COMMON_BOUNDS_H

#include <common/number.h>

enum { BOUNDS_TEXT_BYTES = 128 };

/* Parses a number of its unit. Returns what is wrong, which is overwritten by the next call, or NULL. */
const char *bounds_parse(const struct skep__number *number, const char *value, uint64_t *parsed);

/* What goes behind its help: bounds that are not those of all its kind, and the default, for which there may be words;
 * such as ", 1 to 253 (default: 64)". */
void bounds_explain(const struct skep__number *number, const char *words, char text[BOUNDS_TEXT_BYTES]);

#endif
