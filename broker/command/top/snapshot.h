/* SPDX-License-Identifier: MIT
 * How a hive is at one moment: the answers to status and queues, copied so that they can be kept. */
#ifndef SKEP_COMMAND_TOP_SNAPSHOT_H
#define SKEP_COMMAND_TOP_SNAPSHOT_H

#include <command.h>

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

#endif
