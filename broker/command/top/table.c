/* SPDX-License-Identifier: MIT
 * Tables on a canvas. */
#include <string.h>

#include "command/top/frame.h"

static int put_cell(struct top_canvas *canvas, int row, int at, const struct grid *grid, int column,
                    enum top_style style, const char *text) {
    int padding = grid->columns[column].how & COLUMN_LEFT ? 0 : grid_padding(grid, column, text);
    top_canvas_put(canvas, row, at + padding, at + grid->widths[column], style, text);
    return at + grid->widths[column] + grid->gap;
}

static void put_titles(struct top_canvas *canvas, int row, const struct grid *grid, const char *sorted) {
    int at = 0;
    top_canvas_style(canvas, row, TOP_TITLE);
    for (int i = 0; i < grid->columns_count; i++) {
        const char *title = grid->columns[i].title;
        bool is_sorted = sorted != NULL && strcmp(title, sorted) == 0;
        if (grid->widths[i] > 0) at = put_cell(canvas, row, at, grid, i, is_sorted ? TOP_STRONG : TOP_TITLE, title);
    }
}

static void put_item(struct top_canvas *canvas, int row, const struct grid *grid, size_t item, enum top_style style) {
    int at = 0;
    for (int i = 0; i < grid->columns_count; i++)
        if (grid->widths[i] > 0) at = put_cell(canvas, row, at, grid, i, style, grid_cell(grid, item, i));
}

int top_table_draw(struct top_canvas *canvas, int row, const struct top_table *table, const struct top_model *model,
                   const void *const *items, size_t count, const char *sorted) {
    struct grid grid;
    int status = grid_new(&grid, table->columns, count);
    if (status != SKEP_OK) return status;
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < grid.columns_count; j++)
            table->columns[j].write(&(struct top_row){model, items[i]}, grid_cell(&grid, i, j));
    grid_fit(&grid, canvas->columns, 1);
    put_titles(canvas, row, &grid, sorted);
    for (size_t i = 0; i < count; i++) put_item(canvas, row + 1 + (int)i, &grid, i, table->style(items[i]));
    grid_free(&grid);
    return SKEP_OK;
}
