/* SPDX-License-Identifier: MIT
 * skep status for people: aligned tables. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "say.h"
#include "status.h"

enum { CELL_BYTES = 272 }; /* a URL fits */

/* Writes a value as a cell. */
typedef void write_cell(const json_t *value, char cell[CELL_BYTES]);

struct column {
    const char *title;
    const char *key;
    write_cell *write;
    bool left; /* text is aligned to the left, numbers to the right */
};

static void write_text(const json_t *value, char cell[CELL_BYTES]) {
    const char *text = json_string_value(value);
    snprintf(cell, CELL_BYTES, "%s", text != NULL ? text : "");
    make_printable(cell);
}

static void write_count(const json_t *value, char cell[CELL_BYTES]) {
    snprintf(cell, CELL_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

/* The two largest units say enough. */
static void write_age(const json_t *value, char cell[CELL_BYTES]) {
    uint64_t s = (uint64_t)json_number_value(value);
    uint64_t m = s / 60, h = m / 60, d = h / 24;
    if (d > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "d %" PRIu64 "h", d, h % 24);
    else if (h > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "h %" PRIu64 "m", h, m % 60);
    else if (m > 0) snprintf(cell, CELL_BYTES, "%" PRIu64 "m %" PRIu64 "s", m, s % 60);
    else snprintf(cell, CELL_BYTES, "%" PRIu64 "s", s);
}

static void write_size(const json_t *value, char cell[CELL_BYTES]) {
    snprintf(cell, CELL_BYTES, "%.1f MB", (double)json_integer_value(value) / 1e6);
}

static const struct column listener_columns[] = {
    {"LISTENER", "url", write_text, true},
    {"NAME", "name", write_text, true},
    {"ACCEPTED", "accepted", write_count, false},
    {"QUEUED", "queued", write_count, false},
    {0},
};

static const struct column worker_columns[] = {
    {"WORKER", "id", write_count, false},         {"PID", "pid", write_count, false},
    {"STATE", "state", write_text, true},         {"UPTIME", "uptime_s", write_age, false},
    {"RESTARTS", "restarts", write_count, false}, {"CONNECTIONS", "connections", write_count, false},
    {"ACCEPTED", "accepted", write_count, false}, {"REQUESTS", "requests", write_count, false},
    {"RSS", "rss_bytes", write_size, false},      {0},
};

static int width_of(const json_t *rows, const struct column *column) {
    char cell[CELL_BYTES];
    size_t width = strlen(column->title);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        column->write(json_object_get(json_array_get(rows, i), column->key), cell);
        if (strlen(cell) > width) width = strlen(cell);
    }
    return (int)width;
}

/* Nothing is padded at the end of a line. */
static void print_cell(const struct column *column, const char *cell, int width) {
    bool last = column[1].title == NULL;
    if (column->left && last) printf("%s", cell);
    else printf("%*s", column->left ? -width : width, cell);
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

static void print_table(const json_t *rows, const struct column *columns) {
    if (json_array_size(rows) == 0) return;
    int widths[sizeof worker_columns / sizeof *worker_columns] = {0};
    for (int i = 0; columns[i].title != NULL; i++) widths[i] = width_of(rows, &columns[i]);
    putchar('\n');
    print_row(NULL, columns, widths);
    for (size_t i = 0; i < json_array_size(rows); i++) print_row(json_array_get(rows, i), columns, widths);
}

static void print_broker(const json_t *status, const char *dir) {
    char name[CELL_BYTES], state[CELL_BYTES], age[CELL_BYTES], policy[CELL_BYTES], version[CELL_BYTES];
    write_text(json_object_get(status, "name"), name);
    write_text(json_object_get(status, "state"), state);
    write_age(json_object_get(status, "uptime_s"), age);
    write_text(json_object_get(status, "policy"), policy);
    write_text(json_object_get(status, "version"), version);
    printf("%s in %s, pid %" JSON_INTEGER_FORMAT ", %s for %s, policy %s, version %s\n", name, dir,
           json_integer_value(json_object_get(status, "pid")), state, age, policy, version);
}

static void print_counts(const char *title, json_t *counts) {
    if (json_object_size(counts) == 0) return;
    printf("\n%s", title);
    const char *key, *separator = "";
    json_t *count;
    json_object_foreach(counts, key, count) {
        char name[CELL_BYTES];
        snprintf(name, sizeof name, "%s", key);
        make_printable(name);
        printf("%s %" JSON_INTEGER_FORMAT " %s", separator, json_integer_value(count), name);
        separator = ",";
    }
    putchar('\n');
}

void status_print_text(const json_t *status, const char *dir) {
    print_broker(status, dir);
    print_table(json_object_get(status, "listeners"), listener_columns);
    print_table(json_object_get(status, "workers"), worker_columns);
    print_counts("total:", json_object_get(status, "totals"));
    print_counts("counters:", json_object_get(status, "counters"));
}
