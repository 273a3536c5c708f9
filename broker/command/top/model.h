/* SPDX-License-Identifier: MIT
 * What skep top knows: how the hive is now and was a little earlier, so that there are rates; their history; the latest
 * events. No clock, no terminal: time comes with the snapshots. */
#ifndef SKEP_COMMAND_TOP_MODEL_H
#define SKEP_COMMAND_TOP_MODEL_H

#include <stdbool.h>

#include "command/top/snapshot.h"

enum { TOP_HISTORY = 60, TOP_EVENTS = 64, TOP_EVENT_BYTES = 256 };

enum top_rate { TOP_ACCEPTED_RATE, TOP_REQUESTS_RATE, TOP_JOBS_RATE, TOP_RATES };

struct top_model {
    unsigned interval_ms; /* between two snapshots, as a rule */
    struct top_snapshot now, before;
    struct top_snapshot next;               /* becomes before once it is old enough; its time is 0 if there is none */
    uint64_t taken;                         /* snapshots ever; from the second on there is an earlier one */
    double history[TOP_RATES][TOP_HISTORY]; /* one for each interval, the oldest first */
    size_t history_count;
    uint64_t history_ms;                      /* when the latest was added */
    char events[TOP_EVENTS][TOP_EVENT_BYTES]; /* a ring of lines, printable */
    size_t events_count;                      /* ever */
    enum top_kind kind;                       /* whose times are shown for workers */
    bool is_kind_chosen;                      /* by the user, not by default */
};

/* Takes a snapshot over: it is empty then. */
void top_model_take(struct top_model *model, struct top_snapshot *snapshot);

/* Adds the line of an event. */
void top_model_note(struct top_model *model, const struct skep_command_event *event);

/* The event that came so many before the latest; NULL if there is none. Borrowed. */
const char *top_model_event(const struct top_model *model, size_t back);

/* Per second between the two snapshots; -1 if that is not known. */
double top_rate(const struct top_model *model, enum top_rate what);
double top_worker_rate(const struct top_model *model, const struct top_worker *worker, enum top_rate what);
double top_listener_rate(const struct top_model *model, const struct top_listener *listener);
double top_queue_rate(const struct top_model *model, const struct top_queue *queue);

/* How long what ended between the two snapshots had been handled. total is how many; 0: nothing is known. */
struct top_quantiles {
    uint64_t total, p50_ns, p99_ns;
};
struct top_quantiles top_times(const struct top_model *model, enum top_kind kind);
struct top_quantiles top_worker_times(const struct top_model *model, const struct top_worker *worker);
struct top_quantiles top_queue_times(const struct top_model *model, const struct top_queue *queue);

/* The next kind that anything is known of. */
void top_model_next_kind(struct top_model *model);

unsigned top_model_ready(const struct top_model *model);

void top_model_free(struct top_model *model);

#endif
