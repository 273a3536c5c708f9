/* SPDX-License-Identifier: MIT
 * Aligned tables for people, from arrays of JSON objects. */
#ifndef SKEP_COMMAND_COMMON_TABLE_H
#define SKEP_COMMAND_COMMON_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { CELL_BYTES = 272 }; /* a URL fits */

/* Writes a value as a cell. */
typedef void write_cell(const json_t *value, char cell[CELL_BYTES]);

/* How a column is shown; 0: numbers, to the right */
enum {
    COLUMN_LEFT = 1,     /* text */
    COLUMN_OPTIONAL = 2, /* left out if all its cells are empty */
    COLUMN_STATE = 4     /* a word that is coloured by what it means */
};

/* Where the lines would be too long, columns of a rank are left out, those of the highest first. */
#define COLUMN_RANK(rank) ((unsigned)(rank) << 8)

struct column {
    const char *title; /* NULL ends the columns */
    const char *key;
    write_cell *write;
    unsigned how;
};

enum { MAX_COLUMNS = 16 };

/* Prints a line of titles and one for each row; nothing if there are none. On a terminal it fits the window if it can.
 */
void table_print(const json_t *rows, const struct column *columns);

/* The same to a file, in colours if they are wanted; for lines of so many characters, 0 if their length is of no
 * matter. */
void table_write(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room);

/* As table_print; below (may be NULL) is called after each row, and may print lines of its own. */
void table_print_each(const json_t *rows, const struct column *columns, void (*below)(const json_t *row));

/* Text is made printable; a key that is not there is an empty cell. */
write_cell write_text, write_count, write_age, write_size;

#endif
