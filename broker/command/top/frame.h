/* SPDX-License-Identifier: MIT
 * A frame of skep top: a model, seen in a certain way, on a canvas of a certain size. */
#ifndef SKEP_COMMAND_TOP_FRAME_H
#define SKEP_COMMAND_TOP_FRAME_H

#include "command/common/grid.h"
#include "command/top/canvas.h"
#include "command/top/view.h"

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

#endif
