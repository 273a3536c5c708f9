/* SPDX-License-Identifier: MIT
 * How a hive is at one moment: the answers to status and queues, copied so that they can be kept. */
#ifndef SKEP_COMMAND_TOP_SNAPSHOT_H
#define SKEP_COMMAND_TOP_SNAPSHOT_H

#include <command.h>

/* What is handled, and how long that takes */
enum top_kind { TOP_CONNECTION, TOP_REQUEST, TOP_JOB, TOP_KINDS };

enum { TOP_NAME_BYTES = SKEP_MAX_NAME + 1 };

/* A packed histogram; most are never looked at, so it stays packed. */
struct top_times {
    char *data;
    size_t size_bytes;
};

struct top_broker {
    char name[TOP_NAME_BYTES], state[TOP_NAME_BYTES], policy[TOP_NAME_BYTES];
    int pid;
    uint64_t uptime_ms, news_seq, accepted, requests, connections, restarts;
    uint32_t wanted; /* workers */
    bool has_wanted, has_breaker, has_reload;
    uint64_t breaker_ms;
    uint32_t reload_step, reload_steps;
    struct top_times times[TOP_KINDS]; /* of all workers, those that have ended too */
};

struct top_worker {
    uint32_t id;
    int pid;
    char name[TOP_NAME_BYTES], state[TOP_NAME_BYTES];
    uint64_t uptime_ms, restarts, connections, accepted, requests, rss_bytes, cpu_ms, jobs, jobs_done, untaken;
    bool has_cpu, has_drain;
    uint64_t drain_ms;
    struct top_times times[TOP_KINDS];

    /* Found out by the model, from one snapshot to the next */
    double cpu_percent;   /* of one processor; -1: not known yet */
    uint64_t cpu_seen_ms; /* when cpu_ms was seen to grow; or not to, for long enough */
};

struct top_listener {
    char url[SKEP_MAX_URL + 1], name[TOP_NAME_BYTES];
    uint64_t accepted, queued;
    bool paused, resting;
};

struct top_queue {
    char name[TOP_NAME_BYTES];
    uint64_t workers, ready, reserved, delayed, dead, done;
    bool paused;
    struct top_times times;
};

/* Zero-initialised is empty. Workers, listeners and queues stand in the order of the answer. */
struct top_snapshot {
    uint64_t time_ms; /* monotonic */
    struct top_broker broker;
    struct top_worker *workers;
    struct top_listener *listeners;
    struct top_queue *queues;
    size_t workers_count, listeners_count, queues_count;
    size_t timed; /* index of the worker whose times came last */
};

/* Adds one command of an answer; others than those of status and queues are passed over. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int top_snapshot_add(struct top_snapshot *snapshot, const struct skep_command *command);

/* Finds one by its id or name; NULL if it is not there. The hint is where a worker probably stands: where it stood. */
const struct top_worker *top_find_worker(const struct top_snapshot *snapshot, uint32_t id, size_t hint);
const struct top_listener *top_find_listener(const struct top_snapshot *snapshot, const char *url);
const struct top_queue *top_find_queue(const struct top_snapshot *snapshot, const char *name);

/* Jobs done in all queues, ever. */
uint64_t top_jobs_done(const struct top_snapshot *snapshot);

void top_snapshot_free(struct top_snapshot *snapshot);

#endif
