/* SPDX-License-Identifier: MIT
 * Jobs as tables. */
#include "command/view/jobs_text.h"

#include <stdio.h>
#include <string.h>

#include "command/common/say.h"
#include "command/common/table.h"
#include "command/common/utf8.h"

enum { SHOWN_BYTES = 60 }; /* of a payload, a reason */

static void shorten(char cell[CELL_BYTES]) {
    static const char dots[] = "...";
    make_printable(cell);
    if (strlen(cell) > SHOWN_BYTES) memcpy(cell + utf8_whole(cell, SHOWN_BYTES), dots, sizeof dots);
}

/* A zero byte does not end it. */
static void write_data(const void *value, char cell[CELL_BYTES]) {
    size_t size = json_string_length(value);
    size_t shown = size < SHOWN_BYTES + 1 ? size : SHOWN_BYTES + 1;
    cell[0] = '\0';
    if (value == NULL) return;
    memcpy(cell, json_string_value(value), shown);
    for (size_t i = 0; i < shown; i++)
        if (cell[i] == '\0') cell[i] = '?';
    cell[shown] = '\0';
    shorten(cell);
}

static void write_short(const void *value, char cell[CELL_BYTES]) {
    write_text(value, cell);
    shorten(cell);
}

/* The last worker that had it, and how that ended. */
static void add_last(json_t *job) {
    const char *signal = json_string_value(json_object_get(job, "signal"));
    const json_t *worker = json_object_get(job, "worker"), *pid = json_object_get(job, "pid");
    const json_t *code = json_object_get(job, "code");
    char text[96];
    int n = 0;
    if (worker == NULL) return;
    n = snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(worker));
    if (pid != NULL)
        n += snprintf(text + n, sizeof text - (size_t)n, " pid %" JSON_INTEGER_FORMAT, json_integer_value(pid));
    if (signal != NULL) snprintf(text + n, sizeof text - (size_t)n, " %s", signal);
    else if (code != NULL)
        snprintf(text + n, sizeof text - (size_t)n, " status %" JSON_INTEGER_FORMAT, json_integer_value(code));
    json_object_set_new(job, "last", json_string(text));
}

static void add_shown(json_t *job) {
    json_t *data = json_object_get(job, "data");
    json_object_set(job, "shown", data != NULL ? data : json_object_get(job, "data_hex"));
}

static const struct column job_columns[] = {
    {"JOB", "id", write_count, 0},
    {"STATE", "state", write_text, COLUMN_LEFT},
    {"PRIORITY", "priority", write_count, 0},
    {"ATTEMPT", "attempt", write_count, 0},
    {"DEATHS", "deaths", write_count, 0},
    {"AGE", "age_s", write_age, 0},
    {"DUE", "due_s", write_age, 0},
    {"WORKER", "worker", write_count, 0},
    {"SIZE", "size", write_count, 0},
    {"DATA", "shown", write_data, COLUMN_LEFT},
    {0},
};

static const struct column dead_columns[] = {
    {"JOB", "id", write_count, 0},
    {"QUEUE", "queue", write_text, COLUMN_LEFT},
    {"CAUSE", "cause", write_text, COLUMN_LEFT},
    {"ATTEMPT", "attempt", write_count, 0},
    {"DEATHS", "deaths", write_count, 0},
    {"AGE", "age_s", write_age, 0},
    {"DIED", "died", write_text, COLUMN_LEFT | COLUMN_OPTIONAL | COLUMN_RANK(1)},
    {"LAST WORKER", "last", write_text, COLUMN_LEFT},
    {"REASON", "reason", write_short, COLUMN_LEFT},
    {"SIZE", "size", write_count, 0},
    {"DATA", "shown", write_data, COLUMN_LEFT},
    {0},
};

static void print(json_t *jobs, const struct column *columns) {
    size_t i;
    json_t *job;
    json_array_foreach(jobs, i, job) {
        add_last(job);
        add_shown(job);
    }
    table_print(jobs, columns);
}

void jobs_print(json_t *jobs) {
    print(jobs, job_columns);
}

void dead_print(json_t *jobs) {
    print(jobs, dead_columns);
}
