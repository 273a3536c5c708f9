/* SPDX-License-Identifier: MIT
 * Tables of text. */
#include "command/common/grid.h"

#include <stdbool.h>
#include <stdlib.h>

#include "command/common/width.h"

int grid_new(struct grid *grid, const struct column *columns, size_t rows) {
    *grid = (struct grid){.columns = columns, .rows = rows};
    while (columns[grid->columns_count].title != NULL) grid->columns_count++;
    grid->cells = calloc(rows * (size_t)grid->columns_count + 1, sizeof *grid->cells);
    return grid->cells != NULL ? SKEP_OK : SKEP_ENOMEM;
}

char *grid_cell(const struct grid *grid, size_t row, int column) {
    return grid->cells[row * (size_t)grid->columns_count + (size_t)column];
}

static int width_of(const struct grid *grid, int column) {
    int width = 0, title = (int)width_of_text(grid->columns[column].title);
    for (size_t i = 0; i < grid->rows; i++) {
        int one = (int)width_of_text(grid_cell(grid, i, column));
        if (one > width) width = one;
    }
    if (width == 0 && (grid->columns[column].how & COLUMN_OPTIONAL)) return 0;
    return width > title ? width : title;
}

static int whole_width(const struct grid *grid, int gap) {
    int width = -gap;
    for (int i = 0; i < grid->columns_count; i++) width += grid->widths[i] > 0 ? grid->widths[i] + gap : 0;
    return width;
}

/* False if all that are left must stay. */
static bool drop_one(struct grid *grid) {
    unsigned highest = 0;
    int worst = -1;
    for (int i = 0; i < grid->columns_count; i++) {
        unsigned rank = grid->columns[i].how >> 8;
        if (grid->widths[i] == 0 || rank <= highest) continue;
        highest = rank;
        worst = i;
    }
    if (worst >= 0) grid->widths[worst] = 0;
    return worst >= 0;
}

void grid_fit(struct grid *grid, int room, int least_gap) {
    for (int i = 0; i < grid->columns_count; i++) grid->widths[i] = width_of(grid, i);
    while (room > 0 && whole_width(grid, least_gap) > room && drop_one(grid)) {
    }
    grid->gap = room > 0 && whole_width(grid, GRID_GAP) > room ? least_gap : GRID_GAP;
    for (int i = 0; i < grid->columns_count; i++)
        if (grid->widths[i] > 0) grid->last = i;
}

int grid_padding(const struct grid *grid, int column, const char *cell) {
    int padding = grid->widths[column] - (int)width_of_text(cell);
    return padding > 0 ? padding : 0;
}

void grid_free(struct grid *grid) {
    free(grid->cells);
    *grid = (struct grid){0};
}
