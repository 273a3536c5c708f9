/* SPDX-License-Identifier: MIT
 * A rectangle of styled characters. Whatever is written there is clipped, and made harmless for a terminal. */
#ifndef SKEP_COMMAND_TOP_CANVAS_H
#define SKEP_COMMAND_TOP_CANVAS_H

#include <skep/status.h>
#include <stdbool.h>
#include <stdio.h>

enum top_style { TOP_PLAIN, TOP_STRONG, TOP_FAINT, TOP_TITLE, TOP_GOOD, TOP_WARN, TOP_BAD, TOP_CHOSEN, TOP_STYLES };

struct top_cell {
    char text[7];        /* one character; empty: the right half of a wide one */
    unsigned char style; /* enum top_style */
};

struct top_canvas {
    struct top_cell *cells;
    int columns, rows;
    bool utf8; /* else what is not ASCII is a question mark */
};

/* Makes it blank and of this size; zero-initialised before the first time. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_canvas_clear(struct top_canvas *canvas, int columns, int rows);

/* Writes text from a column on; returns the column behind it. Nothing is written outside, or from limit on. */
int top_canvas_put(struct top_canvas *canvas, int row, int column, int limit, enum top_style style, const char *text);

/* The same, of what printf would print, as far as the row goes. */
SKEP_PRINTF(5, 6)
int top_canvas_print(struct top_canvas *canvas, int row, int column, enum top_style style, const char *format, ...);

/* The same of one item of several in a row: it is left out as a whole if there is no room for it, but for the first, at
 * column 0. Blanks at its end need no room. */
SKEP_PRINTF(5, 6)
int top_canvas_item(struct top_canvas *canvas, int row, int column, enum top_style style, const char *format, ...);

/* The cells of a row. Borrowed. */
struct top_cell *top_canvas_row(const struct top_canvas *canvas, int row);

/* Gives a whole row one style. */
void top_canvas_style(struct top_canvas *canvas, int row, enum top_style style);

/* Columns that text takes. */
int top_canvas_width(const struct top_canvas *canvas, const char *text);

/* Prints its rows as lines, without the blanks at their ends and below. */
void top_canvas_print_lines(const struct top_canvas *canvas, FILE *file);

void top_canvas_free(struct top_canvas *canvas);

#endif
