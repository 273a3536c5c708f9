/* SPDX-License-Identifier: MIT
 * Aligned tables for people. */
#include "command/common/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/common/paint.h"
#include "command/common/print.h"
#include "command/common/say.h"
#include "command/common/utf8.h"

void write_text(const json_t *value, char cell[CELL_BYTES]) {
    const char *text = json_string_value(value);
    snprintf(cell, CELL_BYTES, "%s", text != NULL ? text : "");
    cell[utf8_whole(cell, strlen(cell))] = '\0';
    make_printable(cell);
}

void write_count(const json_t *value, char cell[CELL_BYTES]) {
    cell[0] = '\0';
    if (value != NULL) snprintf(cell, CELL_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

/* The two largest units say enough. */
void write_age(const json_t *value, char cell[CELL_BYTES]) {
    uint64_t s = (uint64_t)json_number_value(value);
    uint64_t m = s / 60, h = m / 60, d = h / 24;
    cell[0] = '\0';
    if (value == NULL) return;
    if (d > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "d %" PRIu64 "h", d, h % 24);
    else if (h > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "h %" PRIu64 "m", h, m % 60);
    else if (m > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "m %" PRIu64 "s", m, s % 60);
    else snprintf(cell, CELL_BYTES, "%" PRIu64 "s", s);
}

void write_size(const json_t *value, char cell[CELL_BYTES]) {
    snprintf(cell, CELL_BYTES, "%.1f MB", (double)json_integer_value(value) / 1e6);
}

/* Characters, not bytes; those of double width are rare enough. */
static int width_of_cell(const char *cell) {
    int width = 0;
    for (; *cell != '\0'; cell++) width += ((unsigned char)*cell & 0xc0) != 0x80;
    return width;
}

/* 0 if there is nothing to show. */
static int width_of(const json_t *rows, const struct column *column) {
    char cell[CELL_BYTES];
    int width = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        column->write(json_object_get(json_array_get(rows, i), column->key), cell);
        if (width_of_cell(cell) > width) width = width_of_cell(cell);
    }
    if (width == 0 && (column->how & COLUMN_OPTIONAL)) return 0;
    return width_of_cell(column->title) > width ? width_of_cell(column->title) : width;
}

enum { GAP = 2 };

struct table {
    FILE *file;
    const struct column *columns;
    int widths[MAX_COLUMNS];
    int last; /* column that is shown */
    bool colours;
};

/* Nothing is padded at the end of a line. */
static void print_cell(const struct table *table, int i, const char *cell, enum paint paint) {
    bool left = table->columns[i].how & COLUMN_LEFT;
    int padding = table->widths[i] - width_of_cell(cell);
    if (!left) fprintf(table->file, "%*s", padding, "");
    fprintf(table->file, "%s%s%s", paint_begin(table->colours, paint), cell, paint_end(table->colours, paint));
    if (left && i < table->last) fprintf(table->file, "%*s", padding, "");
    if (i < table->last) fprintf(table->file, "%*s", GAP, "");
    else putc('\n', table->file);
}

static void print_titles(const struct table *table) {
    for (int i = 0; i <= table->last; i++)
        if (table->widths[i] > 0) print_cell(table, i, table->columns[i].title, PAINT_TITLE);
}

static void print_row(const struct table *table, const json_t *row) {
    char cell[CELL_BYTES];
    for (int i = 0; i <= table->last; i++) {
        const struct column *column = &table->columns[i];
        if (table->widths[i] == 0) continue;
        column->write(json_object_get(row, column->key), cell);
        print_cell(table, i, cell, column->how & COLUMN_STATE ? paint_of_state(cell) : PAINT_NONE);
    }
}

static unsigned whole_width(const struct table *table) {
    unsigned width = 0;
    for (int i = 0; table->columns[i].title != NULL; i++)
        if (table->widths[i] > 0) width += (unsigned)table->widths[i] + (width > 0 ? GAP : 0);
    return width;
}

/* False if all that are left must stay. */
static bool drop_one(struct table *table) {
    int worst = -1;
    for (int i = 0; table->columns[i].title != NULL; i++) {
        unsigned rank = table->columns[i].how >> 8;
        if (table->widths[i] > 0 && rank > 0 && (worst < 0 || rank > table->columns[worst].how >> 8)) worst = i;
    }
    if (worst >= 0) table->widths[worst] = 0;
    return worst >= 0;
}

static void fit(struct table *table, const json_t *rows, unsigned room) {
    for (int i = 0; table->columns[i].title != NULL; i++) table->widths[i] = width_of(rows, &table->columns[i]);
    while (room > 0 && whole_width(table) > room && drop_one(table)) {
    }
    for (int i = 0; table->columns[i].title != NULL; i++)
        if (table->widths[i] > 0) table->last = i;
}

static void write_each(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room,
                       void (*below)(const json_t *row)) {
    struct table table = {.file = file, .columns = columns, .colours = colours};
    if (json_array_size(rows) == 0) return;
    fit(&table, rows, room);
    print_titles(&table);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        print_row(&table, json_array_get(rows, i));
        if (below != NULL) below(json_array_get(rows, i));
    }
}

void table_write(FILE *file, const json_t *rows, const struct column *columns, bool colours, unsigned room) {
    write_each(file, rows, columns, colours, room, NULL);
}

void table_print_each(const json_t *rows, const struct column *columns, void (*below)(const json_t *row)) {
    write_each(stdout, rows, columns, paint_wanted(), window_columns(), below);
}

void table_print(const json_t *rows, const struct column *columns) {
    table_print_each(rows, columns, NULL);
}
