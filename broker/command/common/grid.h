/* SPDX-License-Identifier: MIT
 * Tables of text: which columns there are, how wide each is, and which are left out where there is no room. What the
 * rows are, and where they are written, is for others: table.h writes JSON to files, top/table.h draws on a canvas. */
#ifndef SKEP_COMMAND_COMMON_GRID_H
#define SKEP_COMMAND_COMMON_GRID_H

#include <skep/status.h>
#include <stddef.h>

enum { CELL_BYTES = 272 /* a URL fits */, MAX_COLUMNS = 20, GRID_GAP = 2 /* columns of blanks */ };

/* Writes a value as a cell, which is empty before: a member of a JSON object, NULL if it is absent; or a whole row. */
typedef void write_cell(const void *value, char cell[CELL_BYTES]);

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
    const char *key;   /* of the member that is shown; NULL: the row itself is */
    write_cell *write;
    unsigned how;
};

struct grid {
    const struct column *columns;
    size_t rows;
    char (*cells)[CELL_BYTES]; /* of each row those of all columns */
    int columns_count;
    int last;                /* column that is shown */
    int gap;                 /* between two columns */
    int widths[MAX_COLUMNS]; /* 0: it is not shown */
};

/* Columns are borrowed; cells are empty. Errors: SKEP_ENOMEM. Free with grid_free. */
SKEP_MUST_USE int grid_new(struct grid *grid, const struct column *columns, size_t rows);

/* A cell, to be written before grid_fit and read after it. Borrowed. */
char *grid_cell(const struct grid *grid, size_t row, int column);

/* Finds the widths, so that lines have so much room if they can; 0: as much as they want. A gap is GRID_GAP, or
 * least_gap if more fits then. width_begin must have been called. */
void grid_fit(struct grid *grid, int room, int least_gap);

/* Blanks that a cell lacks of its column's width. */
int grid_padding(const struct grid *grid, int column, const char *cell);

void grid_free(struct grid *grid);

#endif
