/* SPDX-License-Identifier: MIT
 * Tables on a canvas. */
#include "command/top/table.h"

#include <stdlib.h>
#include <string.h>

typedef char cell[TOP_CELL_BYTES];

struct drawing {
    struct top_canvas *canvas;
    const struct top_column *columns;
    cell *cells; /* of each item those of all columns */
    size_t count;
    int columns_count, gap;
    int widths[TOP_MAX_COLUMNS]; /* 0: it is not shown */
};

static const char *text_of(const struct drawing *drawing, size_t item, int column) {
    return drawing->cells[item * (size_t)drawing->columns_count + (size_t)column];
}

static int write_cells(struct drawing *drawing, const struct top_model *model, const void *const *items) {
    while (drawing->columns[drawing->columns_count].title != NULL) drawing->columns_count++;
    size_t columns = (size_t)drawing->columns_count;
    drawing->cells = calloc(drawing->count * columns + 1, sizeof(cell));
    if (drawing->cells == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < drawing->count; i++)
        for (size_t j = 0; j < columns; j++)
            drawing->columns[j].write(model, items[i], drawing->cells[i * columns + j]);
    return SKEP_OK;
}

static int width_of(const struct drawing *drawing, int column) {
    int width = 0;
    for (size_t i = 0; i < drawing->count; i++) {
        int one = top_canvas_width(drawing->canvas, text_of(drawing, i, column));
        if (one > width) width = one;
    }
    int title = (int)strlen(drawing->columns[column].title);
    return width > 0 && width < title ? title : width;
}

static int whole_width(const struct drawing *drawing, int gap) {
    int width = -gap;
    for (int i = 0; i < drawing->columns_count; i++) width += drawing->widths[i] > 0 ? drawing->widths[i] + gap : 0;
    return width;
}

/* False when there is one column left. */
static bool drop_one(struct drawing *drawing) {
    int worst = -1, shown = 0;
    for (int i = 0; i < drawing->columns_count; i++) {
        if (drawing->widths[i] == 0) continue;
        shown++;
        if (worst < 0 || drawing->columns[i].rank > drawing->columns[worst].rank) worst = i;
    }
    if (shown > 1) drawing->widths[worst] = 0;
    return shown > 1;
}

static void fit(struct drawing *drawing) {
    for (int i = 0; i < drawing->columns_count; i++) drawing->widths[i] = width_of(drawing, i);
    while (whole_width(drawing, 1) > drawing->canvas->columns && drop_one(drawing)) {
    }
    drawing->gap = whole_width(drawing, 2) <= drawing->canvas->columns ? 2 : 1;
}

static int put_cell(struct drawing *drawing, int row, int at, int column, enum top_style style, const char *text) {
    int width = drawing->widths[column];
    int padding = drawing->columns[column].left ? 0 : width - top_canvas_width(drawing->canvas, text);
    top_canvas_put(drawing->canvas, row, at + padding, at + width, style, text);
    return at + width + drawing->gap;
}

static void put_titles(struct drawing *drawing, int row, const char *sorted) {
    int at = 0;
    top_canvas_style(drawing->canvas, row, TOP_TITLE);
    for (int i = 0; i < drawing->columns_count; i++) {
        const char *title = drawing->columns[i].title;
        bool is_sorted = sorted != NULL && strcmp(title, sorted) == 0;
        if (drawing->widths[i] > 0) at = put_cell(drawing, row, at, i, is_sorted ? TOP_STRONG : TOP_TITLE, title);
    }
}

static void put_item(struct drawing *drawing, int row, size_t item, enum top_style style) {
    int at = 0;
    for (int i = 0; i < drawing->columns_count; i++)
        if (drawing->widths[i] > 0) at = put_cell(drawing, row, at, i, style, text_of(drawing, item, i));
}

int top_table_draw(struct top_canvas *canvas, int row, const struct top_table *table, const struct top_model *model,
                   const void *const *items, size_t count, const char *sorted) {
    struct drawing drawing = {.canvas = canvas, .columns = table->columns, .count = count};
    int status = write_cells(&drawing, model, items);
    if (status != SKEP_OK) return status;
    fit(&drawing);
    put_titles(&drawing, row, sorted);
    for (size_t i = 0; i < count; i++) put_item(&drawing, row + 1 + (int)i, i, table->style(model, items[i]));
    free(drawing.cells);
    return SKEP_OK;
}
