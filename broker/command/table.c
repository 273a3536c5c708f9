/* SPDX-License-Identifier: MIT
 * Aligned tables for people. */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "say.h"
#include "utf8.h"

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

static int width_of(const json_t *rows, const struct column *column) {
    char cell[CELL_BYTES];
    int width = width_of_cell(column->title);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        column->write(json_object_get(json_array_get(rows, i), column->key), cell);
        if (width_of_cell(cell) > width) width = width_of_cell(cell);
    }
    return width;
}

/* Nothing is padded at the end of a line. */
static void print_cell(const struct column *column, const char *cell, int width) {
    bool last = column[1].title == NULL;
    int padding = width - width_of_cell(cell);
    if (!column->left) printf("%*s", padding, "");
    printf("%s", cell);
    if (column->left && !last) printf("%*s", padding, "");
    printf("%s", last ? "\n" : "  ");
}

/* row NULL is the line of titles. */
static void print_row(const json_t *row, const struct column *columns, const int *widths) {
    char cell[CELL_BYTES];
    for (int i = 0; columns[i].title != NULL; i++) {
        if (row != NULL) columns[i].write(json_object_get(row, columns[i].key), cell);
        print_cell(&columns[i], row != NULL ? cell : columns[i].title, widths[i]);
    }
}

void table_print_each(const json_t *rows, const struct column *columns, void (*below)(const json_t *row)) {
    if (json_array_size(rows) == 0) return;
    int widths[MAX_COLUMNS] = {0};
    for (int i = 0; columns[i].title != NULL; i++) widths[i] = width_of(rows, &columns[i]);
    print_row(NULL, columns, widths);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        print_row(json_array_get(rows, i), columns, widths);
        if (below != NULL) below(json_array_get(rows, i));
    }
}

void table_print(const json_t *rows, const struct column *columns) {
    table_print_each(rows, columns, NULL);
}
