/* SPDX-License-Identifier: MIT
 * Jobs as tables. */
#include "command/view/jobs_text.h"

#include <stdio.h>
#include <string.h>

#include "command/common/fields.h"
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
static void write_data(const void *job, char cell[CELL_BYTES]) {
    const json_t *text = json_object_get(job, "data"), *value = text != NULL ? text : json_object_get(job, "data_hex");
    size_t size = json_string_length(value), shown = size < SHOWN_BYTES + 1 ? size : SHOWN_BYTES + 1;
    if (shown > 0) memcpy(cell, json_string_value(value), shown);
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
static void write_last(const void *job, char cell[CELL_BYTES]) {
    const char *signal = json_string_value(json_object_get(job, "signal"));
    const json_t *pid = json_object_get(job, "pid"), *code = json_object_get(job, "code");
    if (json_object_get(job, "worker") == NULL) return;
    size_t used = (size_t)snprintf(cell, CELL_BYTES, "%" JSON_INTEGER_FORMAT, number_of(job, "worker"));
    if (pid != NULL)
        used += (size_t)snprintf(cell + used, CELL_BYTES - used, " pid %" JSON_INTEGER_FORMAT, json_integer_value(pid));
    if (signal != NULL) snprintf(cell + used, CELL_BYTES - used, " %s", signal);
    else if (code != NULL)
        snprintf(cell + used, CELL_BYTES - used, " status %" JSON_INTEGER_FORMAT, json_integer_value(code));
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
    {"DATA", NULL, write_data, COLUMN_LEFT},
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
    {"LAST WORKER", NULL, write_last, COLUMN_LEFT},
    {"REASON", "reason", write_short, COLUMN_LEFT},
    {"SIZE", "size", write_count, 0},
    {"DATA", NULL, write_data, COLUMN_LEFT},
    {0},
};

void jobs_print(const json_t *jobs) {
    table_print(jobs, job_columns);
}

void dead_print(const json_t *jobs) {
    table_print(jobs, dead_columns);
}
