/* SPDX-License-Identifier: MIT
 * A frame of skep top: a model, seen in a certain way, on a canvas of a certain size; and the terminal that shows it.
 */
#ifndef SKEP_COMMAND_TOP_FRAME_H
#define SKEP_COMMAND_TOP_FRAME_H

#include <stdio.h>

#include "command/common/grid.h"
#include "command/top/view.h"

/* --- canvas.c: a rectangle of styled characters. Whatever is written there is clipped, and made harmless for a
 * terminal --- */

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

/* --- cells.c and table.c: tables on a canvas, as wide as what they show, and with fewer columns where there is less
 * room --- */

enum { TOP_CELL_BYTES = 64 /* of those of a cell */ };

/* A row: what the cells of its columns are written from */
struct top_row {
    const struct top_model *model;
    const void *item;
};

struct top_table {
    const struct column *columns;
    enum top_style (*style)(const void *item);
};

/* Titles and below them the items, from a row on. The column with the title sorted, which may be NULL, stands out.
 * Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_table_draw(struct top_canvas *canvas, int row, const struct top_table *table,
                                 const struct top_model *model, const void *const *items, size_t count,
                                 const char *sorted);

/* What there is to be seen of workers, listeners and queues */
extern const struct top_table top_worker_table, top_listener_table, top_queue_table;

/* Writes a number in few characters, such as 812, 12.3k, 4.5M; "-" if it is negative: not known. */
void top_number(double number, char cell[TOP_CELL_BYTES]);

/* --- frame.c and head.c --- */

/* Less is too small for anything but to say so. */
enum { TOP_MIN_COLUMNS = 40, TOP_MIN_ROWS = 8 };

/* Draws the frame; view->page is set to how many workers there is room for. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_frame_draw(struct top_canvas *canvas, int columns, int rows, const struct top_model *model,
                                 struct top_view *view);

/* Rows in which everything has room, without keys at the bottom. */
int top_frame_rows(const struct top_model *model, const struct top_view *view);

/* The parts above and below the tables. top_head returns the first row that is free. */
int top_head(struct top_canvas *canvas, const struct top_model *model);
void top_foot(struct top_canvas *canvas, const struct top_model *model, const struct top_view *view);
void top_help(struct top_canvas *canvas);

/* --- screen.c and terminal.c: the terminal, by ncurses. There is one at a time, as ncurses has it --- */

/* What the terminal of stdin and stdout lacks, in words; NULL if it can be drawn on. */
const char *top_terminal_lacks(void);

/* Takes the terminal of stdin and stdout. Returns NULL, or what is wrong with it, in words. */
const char *top_screen_open(void);

/* The size that the terminal has now. */
void top_screen_size(int *columns, int *rows);

void top_screen_draw(const struct top_canvas *canvas);

/* The next key that was pressed, as top_view_key takes it; 0: none. */
int top_screen_key(void);

/* Gives the terminal back as it was. */
void top_screen_close(void);

#endif
