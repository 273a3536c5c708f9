/* SPDX-License-Identifier: MIT
 * Aligned tables for people, from arrays of JSON objects. */
#ifndef SKEP_COMMAND_COMMON_TABLE_H
#define SKEP_COMMAND_COMMON_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "command/common/grid.h"

/* Prints a line of titles and one for each row; nothing if there are none. On a terminal it fits the window if it can.
 * below (may be NULL) is called after each row, and may print lines of its own. */
void table_print(const json_t *rows, const struct column *columns, void (*below)(const json_t *row));

/* The same to a file, in colours if they are wanted; for lines of so many characters, 0 if their length is of no
 * matter. */
void table_write(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room);

/* Text is made printable; a key that is not there is an empty cell. */
write_cell write_text, write_count, write_age, write_size;

#endif
