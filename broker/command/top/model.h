/* SPDX-License-Identifier: MIT
 * What skep top knows: how the hive is now and was a little earlier, so that there are rates; their history; the latest
 * events. No clock, no terminal: time comes with the snapshots. */
#ifndef SKEP_COMMAND_TOP_MODEL_H
#define SKEP_COMMAND_TOP_MODEL_H

#include <command.h>
#include <stdbool.h>

/* --- snapshot.c: how a hive is at one moment: the answers to status and queues, copied so that they can be kept --- */

/* What is handled, and how long that takes */
enum top_kind { TOP_CONNECTION, TOP_REQUEST, TOP_JOB, TOP_KINDS };

/* Answers. Their bytes are copies, which are the snapshot's: each is terminated, "" if it is absent. */
struct top_broker {
    struct skep_command_brokerStatus status;
    struct skep_bytes times[TOP_KINDS]; /* packed histograms: of all workers, those that have ended too */
};

struct top_worker {
    struct skep_command_workerStatus status;
    struct skep_bytes times[TOP_KINDS]; /* most are never looked at, so they stay packed */

    /* Found out by the model, from one snapshot to the next */
    double cpu_percent;   /* of one processor; -1: not known yet */
    uint64_t cpu_seen_ms; /* when cpu_ms was seen to grow; or not to, for long enough */
};

struct top_listener {
    struct skep_command_listenerStatus status;
};

struct top_queue {
    struct skep_command_queueStatus status;
};

/* Zero-initialised is empty. Workers, listeners and queues stand in the order of the answer. */
struct top_snapshot {
    uint64_t time_ms; /* monotonic */
    struct top_broker broker;
    struct top_worker *workers;
    struct top_listener *listeners;
    struct top_queue *queues;
    size_t workers_count, listeners_count, queues_count;
    size_t timed;            /* index of the worker whose times came last */
    struct top_copy *copies; /* of bytes */
};

/* Adds one command of an answer; others than those of status and queues are passed over. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_snapshot_add(struct top_snapshot *snapshot, const struct skep_command *command);

/* Name of a kind, such as "request". */
const char *top_kind_name(enum top_kind kind);

/* Finds one by its id or name; NULL if it is not there. The hint is where a worker probably stands: where it stood. */
const struct top_worker *top_find_worker(const struct top_snapshot *snapshot, uint64_t id, size_t hint);
const struct top_listener *top_find_listener(const struct top_snapshot *snapshot, const char *url);
const struct top_queue *top_find_queue(const struct top_snapshot *snapshot, const char *name);

/* Jobs done in all queues, ever. */
uint64_t top_jobs_done(const struct top_snapshot *snapshot);

void top_snapshot_free(struct top_snapshot *snapshot);

/* --- model.c --- */

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
