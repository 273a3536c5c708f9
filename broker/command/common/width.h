/* SPDX-License-Identifier: MIT
 * How many columns of a terminal text takes. */
#ifndef SKEP_COMMAND_COMMON_WIDTH_H
#define SKEP_COMMAND_COMMON_WIDTH_H

#include <stdbool.h>
#include <stddef.h>

/* Sets the locale of characters: the user's if it is of UTF-8, else C.UTF-8, since text is UTF-8 in any case. Returns
 * whether the user's is. To be called before the others. */
bool width_begin(void);

/* Columns of one character of so many bytes; -1 if it is not known. */
int width_of_character(const char *character, size_t size_bytes);

/* Columns of the first character of text that is not empty, and its size. A byte that is none takes one, and so does a
 * character whose width is not known. */
unsigned width_of_first(const char *text, size_t *size_bytes);

/* Columns of all of it. */
unsigned width_of_text(const char *text);

/* Bytes of the beginning of text that takes at most so many columns. */
size_t width_fitting(const char *text, unsigned columns);

#endif
