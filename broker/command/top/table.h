/* SPDX-License-Identifier: MIT
 * Tables on a canvas: as wide as what they show, and with fewer columns where there is less room. */
#ifndef SKEP_COMMAND_TOP_TABLE_H
#define SKEP_COMMAND_TOP_TABLE_H

#include "command/common/grid.h"
#include "command/top/canvas.h"
#include "command/top/model.h"

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

#endif
