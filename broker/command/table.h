/* SPDX-License-Identifier: MIT
 * Aligned tables for people, from arrays of JSON objects. */
#ifndef SKEP_COMMAND_TABLE_H
#define SKEP_COMMAND_TABLE_H

#include <jansson.h>
#include <stdbool.h>

enum { CELL_BYTES = 272 }; /* a URL fits */

/* Writes a value as a cell. */
typedef void write_cell(const json_t *value, char cell[CELL_BYTES]);

struct column {
    const char *title; /* NULL ends the columns */
    const char *key;
    write_cell *write;
    bool left; /* text is aligned to the left, numbers to the right */
};

enum { MAX_COLUMNS = 16 };

/* Prints a line of titles and one for each row; nothing if there are none. */
void table_print(const json_t *rows, const struct column *columns);

/* The same; below (may be NULL) is called after each row, and may print lines of its own. */
void table_print_each(const json_t *rows, const struct column *columns, void (*below)(const json_t *row));

/* Text is made printable; a key that is not there is an empty cell. */
write_cell write_text, write_count, write_age, write_size;

#endif
