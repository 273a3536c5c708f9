/* SPDX-License-Identifier: MIT
 * A rectangle of styled characters. */
#include <stdlib.h>
#include <string.h>

#include "command/common/say.h"
#include "command/common/utf8.h"
#include "command/common/width.h"
#include "command/top/frame.h"

enum { TEXT_BYTES = 1024 };

struct character {
    char text[5];
    size_t size_bytes; /* of what it was made of */
    int width;
};

static struct character next(const struct top_canvas *canvas, const char *text) {
    size_t size = utf8_printable(text, strlen(text));
    struct character character = {.text = "?", .size_bytes = size > 0 ? size : 1, .width = 1};
    if (size == 0 || (size > 1 && !canvas->utf8)) return character;
    int width = width_of_character(text, size);
    if (width < 0) return character;
    memcpy(character.text, text, size);
    character.text[size] = '\0';
    character.width = width;
    return character;
}

int top_canvas_clear(struct top_canvas *canvas, int columns, int rows) {
    size_t count = (size_t)columns * (size_t)rows;
    struct top_cell *cells = realloc(canvas->cells, (count + 1) * sizeof *cells);
    if (cells == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < count; i++) cells[i] = (struct top_cell){.text = " ", .style = TOP_PLAIN};
    canvas->cells = cells;
    canvas->columns = columns;
    canvas->rows = rows;
    return SKEP_OK;
}

struct top_cell *top_canvas_row(const struct top_canvas *canvas, int row) {
    return &canvas->cells[(size_t)row * (size_t)canvas->columns];
}

static void set(struct top_canvas *canvas, int row, int column, enum top_style style, const char *text) {
    struct top_cell *cell = &top_canvas_row(canvas, row)[column];
    cell->style = (unsigned char)style;
    memcpy(cell->text, text, strlen(text) + 1);
}

/* A character without a width would change the one before it: it is left out. */
int top_canvas_put(struct top_canvas *canvas, int row, int column, int limit, enum top_style style, const char *text) {
    if (limit > canvas->columns) limit = canvas->columns;
    if (row < 0 || row >= canvas->rows || column < 0) return column;
    while (*text != '\0') {
        struct character character = next(canvas, text);
        if (column + character.width > limit) break;
        text += character.size_bytes;
        if (character.width == 0) continue;
        set(canvas, row, column, style, character.text);
        if (character.width == 2) set(canvas, row, column + 1, style, "");
        column += character.width;
    }
    return column;
}

int top_canvas_print(struct top_canvas *canvas, int row, int column, enum top_style style, const char *format, ...) {
    char text[TEXT_BYTES];
    FORMAT(text, sizeof text, format);
    return top_canvas_put(canvas, row, column, canvas->columns, style, text);
}

int top_canvas_item(struct top_canvas *canvas, int row, int column, enum top_style style, const char *format, ...) {
    char text[TEXT_BYTES];
    FORMAT(text, sizeof text, format);
    size_t length = strlen(text), blanks = 0;
    while (blanks < length && text[length - 1 - blanks] == ' ') blanks++;
    int width = top_canvas_width(canvas, text) - (int)blanks;
    if (column > 0 && column + width > canvas->columns) return column;
    return top_canvas_put(canvas, row, column, canvas->columns, style, text);
}

void top_canvas_style(struct top_canvas *canvas, int row, enum top_style style) {
    for (int column = 0; row < canvas->rows && column < canvas->columns; column++)
        top_canvas_row(canvas, row)[column].style = (unsigned char)style;
}

int top_canvas_width(const struct top_canvas *canvas, const char *text) {
    int width = 0;
    while (*text != '\0') {
        struct character character = next(canvas, text);
        width += character.width;
        text += character.size_bytes;
    }
    return width;
}

static int without_blanks(const struct top_cell *cells, int columns) {
    while (columns > 0 && strcmp(cells[columns - 1].text, " ") == 0) columns--;
    return columns;
}

void top_canvas_print_lines(const struct top_canvas *canvas, FILE *file) {
    int cells = without_blanks(canvas->cells, canvas->columns * canvas->rows);
    for (int first = 0; first < cells; first += canvas->columns) {
        int columns = without_blanks(&canvas->cells[first], canvas->columns);
        for (int i = 0; i < columns; i++) fputs(canvas->cells[first + i].text, file);
        putc('\n', file);
    }
}

void top_canvas_free(struct top_canvas *canvas) {
    free(canvas->cells);
    *canvas = (struct top_canvas){0};
}
