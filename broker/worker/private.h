/* SPDX-License-Identifier: MIT
 * The state of worker/. */
#pragma once

#include "base/signal_mask.h"
#include "journal/journal.h"
#include "worker/worker.h"

/* What a process uses of the machine. Zero-initialised: it was never looked at. */
struct skep__usage {
    uint64_t rss_bytes, cpu_ms;
    uint64_t looked_ms; /* the loop's time */
    bool looked;
};

enum { SKEP__USAGE_FRESH_MS = 1000 };

/* What the room has of a worker */
struct skep__process {
    skep_child *child;
    TAILQ_ENTRY(skep__process) entry; /* in workers.list */
    UT_hash_handle by_id, by_pid;

    struct skep__handles handles; /* the worker is freed when these have closed */
    int pidfd;
    uv_poll_t pid_poll;
    uv_poll_t link_poll;
    int link_events; /* that are polled for */
    int guard[2];    /* a pipe by which the kernel kills its process group; -1: none */

    struct skep__alarm watchdog;
    unsigned watchdog_ms; /* as it was when it was welcomed; 0: it is not watched */
    uint64_t beats;       /* at the latest look */
    unsigned silent_looks;

    struct skep__output *output; /* NULL: it is not captured, or has ended */
    struct skep__usage usage;
    uint64_t bad_frames;      /* ever */
    uint64_t bad_frame_ms[2]; /* when the latest two came, by bad_frames modulo 2 */
};

struct skep__workers {
    const struct skep__worker_events *events;
    TAILQ_HEAD(, skep__process) list; /* those that run, by id */
    struct skep__process *by_id, *by_pid;
    size_t count;
    uint32_t latest;     /* id */
    struct rlimit files; /* RLIMIT_NOFILE as the broker was started with; it is the workers' */
    uint64_t bad_frames; /* ever */

    skep_log_cb log_callback; /* NULL: none */
    void *log_context;

    uv_idle_t usage_idle;                       /* runs while workers are left to look at */
    uint64_t usage_began_ms;                    /* the loop's time */
    void (*usage_fresh)(skep_cluster *cluster); /* is called when none is left */

    bool adopts;                   /* processes that workers leave behind become children of this one */
    uv_signal_t child_signal;      /* if it adopts */
    struct skep__signal_mask mask; /* of that */
    pid_t *own_children;           /* that this process had before */
    size_t own_child_count;
};

/* --- children.c --- */

/* The worker is found and counted from here on. Errors: SKEP_ENOMEM, with cluster.why. */
SKEP_MUST_USE int skep__child_enlist(skep_child *child);

/* --- page.c: pages of memory that the broker shares with a worker: struct skep_page of contract.h --- */

/* *fd is what the worker gets, close-on-exec; the caller closes it. Errors: SKEP_EMFILE, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__page_new(struct skep_page **page, int *fd);

/* Takes the page out of this process's memory and sets *page to NULL. NULL is allowed. */
void skep__page_free(struct skep_page **page);

/* --- output.c: what a worker writes to stdout and stderr: read line by line, for the log and the subscribers --- */

/* Begins to read the two pipes of a worker, which are the output's from then on, and closed if this
 * fails. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__output_new(skep_child *child, const int fds[2]);

/* Closes them as they are. */
void skep__output_close(skep_child *child);

/* --- watchdog.c --- */

void skep__watchdog_stop(skep_child *child);

/* --- belongings.c: what belongs to a worker and ends with it: the processes of its group; and, if the cluster adopts,
 * those that have left the group and carry its mark --- */

/* The mark of a worker's processes: a variable of its environment, which they inherit. */
enum { SKEP__MARK_BYTES = 64 };
void skep__mark(const skep_cluster *cluster, uint32_t worker, char text[SKEP__MARK_BYTES]);

/* From here on the kernel kills the group of a new worker when the broker ends, however that happens. Without
 * descriptors for it the broker still kills the group when the worker ends. */
void skep__belongings_guard(skep_child *child);

/* Kills what is left of the group of a worker that has ended or is to. is_there: its process was not reaped yet. */
void skep__belongings_end(skep_child *child, bool is_there);

/* A worker has ended and was reaped: kills what it has left behind, reaps what has ended. */
void skep__orphans_look(skep_cluster *cluster);

/* As skep__workers_end, of those that were adopted. */
void skep__orphans_end(skep_cluster *cluster);

/* Kills what a broker has left behind that was killed. */
void skep__orphans_inherit(pid_t broker, uint64_t generation);

/* --- spawn.c --- */

struct skep__spawned {
    pid_t pid;
    int pidfd;
    int link;               /* the broker's end */
    struct skep_page *page; /* to be freed by skep__page_free */
    int output[2];          /* where to read its stdout and stderr; -1: they are not captured */
};

/* Forks and executes a worker. Errors: as skep_fork. */
SKEP_MUST_USE int skep__spawn(const skep_child *child, const struct skep__start *start, struct skep__spawned *spawned);

/* --- child.c --- */

/* What the room has of a worker, as long as that has no process; and frees it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__process_new(skep_child *child);
void skep__process_free(skep_child *child);
