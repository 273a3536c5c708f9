/* SPDX-License-Identifier: MIT
 * skep queues: how much waits, moves and is dead in each queue. */
#include <poll.h>

#include "command/view/view.h"

enum { BETWEEN_MS = 250 }; /* the two questions that rates are made from */

static const json_t *find(const json_t *queues, const char *name) {
    size_t i;
    json_t *queue;
    json_array_foreach(queues, i, queue) {
        if (strcmp(json_string_value(json_object_get(queue, "name")), name) == 0) return queue;
    }
    return NULL;
}

static void add_rate(json_t *queue, const json_t *before, const char *count, const char *key, double seconds) {
    json_int_t more = number_of(queue, count) - number_of(before, count);
    json_object_set_new(queue, key, json_real(more > 0 ? (double)more / seconds : 0));
}

/* A queue that was not there before has had nothing then: all its jobs are new. */
static void add_rates(json_t *queues, const json_t *before, double seconds) {
    size_t i;
    json_t *queue;
    json_array_foreach(queues, i, queue) {
        const json_t *then = find(before, json_string_value(json_object_get(queue, "name")));
        add_rate(queue, then, "submitted", "in", seconds);
        add_rate(queue, then, "done", "out", seconds);
    }
}

static void write_rate(const void *value, char cell[CELL_BYTES]) {
    snprintf(cell, CELL_BYTES, "%.0f", json_number_value(value));
}

/* 0 is no age: nothing waits. */
static void write_oldest(const void *value, char cell[CELL_BYTES]) {
    write_age(json_number_value(value) > 0 ? value : NULL, cell);
}

static void write_paused(const void *paused, char cell[CELL_BYTES]) {
    if (json_is_true((const json_t *)paused)) snprintf(cell, CELL_BYTES, "paused");
}

static const struct column columns[] = {
#define QUEUE(title, key, write, how) {title, key, write, how},
#include "command/view/columns.def"
    {0},
};

static double seconds_of(const json_t *queue, const char *key) {
    return json_number_value(json_object_get(queue, key));
}

static void print_limit(const json_t *queue, const char *key) {
    uint64_t limit = (uint64_t)number_of(queue, key);
    if (limit > 0) printf(", %s %" PRIu64, key, limit);
}

/* Settings of a queue that was set up, below its row */
static void print_settings(const json_t *queue) {
    double first = seconds_of(queue, "backoff_s"), most = seconds_of(queue, "backoff_max_s");
    if (!json_is_true(json_object_get(queue, "configured"))) return;
    printf("  lease %gs", seconds_of(queue, "lease_s"));
    print_limit(queue, "attempts");
    print_limit(queue, "concurrency");
    print_limit(queue, "credit");
    if (first > 0) printf(", backoff %gs", first);
    if (first > 0 && most > first) printf("..%gs", most);
    print_limit(queue, "interruptions");
    putchar('\n');
}

static void note_unhandled(const json_t *queues) {
    size_t i;
    json_t *queue;
    json_array_foreach(queues, i, queue) {
        char name[CELL_BYTES];
        uint64_t waiting = (uint64_t)number_of(queue, "ready") + (uint64_t)number_of(queue, "delayed");
        if (waiting == 0 || number_of(queue, "workers") > 0) continue;
        write_text(json_object_get(queue, "name"), name);
        printf("%s: %" PRIu64 " job%s, and no worker handles it\n", name, waiting, waiting == 1 ? "" : "s");
    }
}

static int ask(struct contact *contact, json_t **queues) {
    struct skep_command question = {.id = SKEP_COMMAND_queues};
    return ask_list(contact, &question, SKEP_COMMAND_queueStatus, queues);
}

/* For people there are rates, which take two questions. */
static int show(struct contact *contact, const struct options *options) {
    json_t *before = NULL, *queues = NULL;
    int code = ask(contact, &before);
    uint64_t then_ms = monotonic_ms();
    bool has_rates = code == 0 && !options->json && json_array_size(before) > 0;
    if (has_rates) {
        poll(NULL, 0, BETWEEN_MS);
        code = ask(contact, &queues);
    }
    if (has_rates && code == 0) add_rates(queues, before, (double)(monotonic_ms() - then_ms) / 1e3);
    if (code == 0) show_list(options, "queues", has_rates ? queues : before, "no queues", columns, print_settings);
    if (has_rates && code == 0) note_unhandled(queues);
    json_decref(queues);
    json_decref(before);
    return code;
}

int command_queues(const struct options *options) {
    return contact_run(options, show);
}
