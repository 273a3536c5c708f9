/* SPDX-License-Identifier: MIT
 * Aligned tables for people. */
#include "command/common/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/common/print.h"
#include "command/common/say.h"
#include "command/common/utf8.h"

void write_text(const void *value, char cell[CELL_BYTES]) {
    const char *text = json_string_value(value);
    snprintf(cell, CELL_BYTES, "%s", text != NULL ? text : "");
    cell[utf8_whole(cell, strlen(cell))] = '\0';
    make_printable(cell);
}

void write_count(const void *value, char cell[CELL_BYTES]) {
    cell[0] = '\0';
    if (value != NULL) snprintf(cell, CELL_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

/* The two largest units say enough. */
void write_age(const void *value, char cell[CELL_BYTES]) {
    uint64_t s = (uint64_t)json_number_value(value);
    uint64_t m = s / 60, h = m / 60, d = h / 24;
    cell[0] = '\0';
    if (value == NULL) return;
    if (d > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "d %" PRIu64 "h", d, h % 24);
    else if (h > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "h %" PRIu64 "m", h, m % 60);
    else if (m > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "m %" PRIu64 "s", m, s % 60);
    else snprintf(cell, CELL_BYTES, "%" PRIu64 "s", s);
}

void write_size(const void *value, char cell[CELL_BYTES]) {
    snprintf(cell, CELL_BYTES, "%.1f MB", (double)json_integer_value(value) / 1e6);
}

/* Nothing is padded at the end of a line. */
static void print_cell(FILE *file, const struct grid *grid, int i, const char *cell, const char *begin,
                       const char *end) {
    bool left = grid->columns[i].how & COLUMN_LEFT, last = i == grid->last;
    int padding = grid_padding(grid, i, cell);
    fprintf(file, "%*s%s%s%s", left ? 0 : padding, "", begin, cell, end);
    fprintf(file, "%*s%s", last ? 0 : grid->gap + (left ? padding : 0), "", last ? "\n" : "");
}

static void print_titles(FILE *file, const struct grid *grid, bool colours) {
    const char *begin = paint_begin(colours, PAINT_TITLE), *end = paint_end(colours, PAINT_TITLE);
    for (int i = 0; i < grid->columns_count; i++)
        if (grid->widths[i] > 0) print_cell(file, grid, i, grid->columns[i].title, begin, end);
}

static void print_row(FILE *file, const struct grid *grid, size_t row, bool colours) {
    for (int i = 0; i < grid->columns_count; i++) {
        const char *cell = grid_cell(grid, row, i);
        enum paint paint = grid->columns[i].how & COLUMN_STATE ? paint_of_state(cell) : PAINT_NONE;
        if (grid->widths[i] > 0)
            print_cell(file, grid, i, cell, paint_begin(colours, paint), paint_end(colours, paint));
    }
}

static void write_each(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room,
                       void (*below)(const json_t *row)) {
    struct grid grid;
    size_t count = json_array_size(rows);
    if (count == 0 || grid_new(&grid, columns, count) != SKEP_OK) return;
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(rows, i);
        for (const struct column *c = columns; c->title != NULL; c++)
            c->write(c->key != NULL ? json_object_get(row, c->key) : row, grid_cell(&grid, i, (int)(c - columns)));
    }
    grid_fit(&grid, (int)room, GRID_GAP);
    print_titles(file, &grid, colours);
    for (size_t i = 0; i < count; i++) {
        print_row(file, &grid, i, colours);
        if (below != NULL) below(json_array_get(rows, i));
    }
    grid_free(&grid);
}

void table_write(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room) {
    write_each(file, rows, columns, colours, room, NULL);
}

void table_print(const json_t *rows, const struct column *columns, void (*below)(const json_t *row)) {
    write_each(stdout, rows, columns, paint_wanted(), window_size().ws_col, below);
}
