/* SPDX-License-Identifier: MIT
 * skep status for people: aligned tables. */
#include <stdio.h>

#include "say.h"
#include "status.h"
#include "table.h"

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

/* A table stands apart from what is above it. */
static void print_table(const json_t *rows, const struct column *columns) {
    if (json_array_size(rows) == 0) return;
    putchar('\n');
    table_print(rows, columns);
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
