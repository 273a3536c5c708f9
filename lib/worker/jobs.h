/* SPDX-License-Identifier: MIT
 * A worker's jobs: those it has, and what becomes of them. */
#pragma once

#include <skep/worker.h>

#include "command.h"
#include "common/flusher.h"
#include "histogram.h"

enum { SKEP__MAX_HANDLED = 64 /* queues that one worker handles */ };

struct skep__worker_job;

/* A queue whose jobs this worker handles */
struct skep__worker_queue {
    char name[SKEP_MAX_NAME + 1];
    size_t name_bytes;
    skep_job_cb handler;
    void *context;
    unsigned concurrency;                         /* jobs that may be kept */
    unsigned kept;                                /* jobs that are */
    struct skep_histogram times;                  /* of its jobs, not reported yet */
    STAILQ_HEAD(, skep__worker_job) waiting_jobs; /* copies of what came while as many as may be were kept */
};

/* A job: the scratch object that handlers see, or one that is kept, or one that waits. */
struct skep__worker_job {
    skep_job job; /* first member: what the user sees */
    skep_worker *worker;
    struct skep__worker_queue *from;
    uint64_t delivery;
    uint64_t begun_ns; /* if it is kept: when its handler was called; uv_hrtime's clock */
    uint32_t lease_ms;
    uint32_t delay_ms;
    skep_verdict verdict; /* SKEP_KEEP until skep_job_complete */
    bool kept;            /* its handler has returned SKEP_KEEP */
    bool answered;        /* there was no memory to keep it: it goes to somebody else */
    bool has_result;
    struct skep_frame result; /* plain bytes */
    struct skep_frame reason; /* plain bytes */
    char *copy;               /* of the payload, if it was the scratch object and is kept */
    LIST_ENTRY(skep__worker_job) kept_entry;
    STAILQ_ENTRY(skep__worker_job) waiting_entry;
    char payload[]; /* if it waits or has waited */
};

enum { SKEP__HOLD_NS = 1000000, SKEP__TURN_NS = 10000000 };

/* Acknowledgements that gather: deliveries in a row that are done. */
struct skep__acks {
    uint64_t first;
    uint32_t n;
    bool listed;             /* some have results: items has one for each */
    struct skep_frame items; /* of the list */
    uint64_t hold_ns;        /* how long they may wait for the end of the iteration */
    uint64_t gathering_ns;   /* since when; uv_hrtime's clock */
};

struct skep__worker_jobs {
    struct skep__worker_queue queues[SKEP__MAX_HANDLED];
    unsigned queue_count;
    struct skep__worker_queue *latest; /* the queue that jobs came from last: the next probably do too */
    struct skep__worker_job *scratch;  /* for handlers that do not keep; NULL after one has */
    const struct skep__worker_job *running;
    uint64_t looked_ns; /* at the clock: when the latest handler returned, or before the first of several is called */
    uint64_t turn_ns;   /* how long handlers are called in one iteration of the loop; the last one may take longer */
    uint64_t turn_began_ns; /* when the first of this iteration was; 0: none was yet */
    unsigned next_queue;    /* whose waiting jobs come first in the next iteration */
    LIST_HEAD(, skep__worker_job) kept;
    uint64_t kept_count;
    struct skep__acks acks;
    struct skep__flush flush;
};

/* --- acks.c --- */

/* Begins to gather acknowledgements, if that has not begun in this iteration of the loop. */
void skep__worker_gather(skep_worker *worker);

/* After each job: sends what has waited for too long, so that slow handlers do not delay it. */
void skep__worker_pace(skep_worker *worker, uint64_t now_ns);

/* Notes what has become of a job; it leaves at the end of the iteration. */
void skep__worker_answer(skep_worker *worker, const struct skep__worker_job *job, skep_verdict verdict);

/* Gives deliveries in a row back. */
void skep__worker_release(skep_worker *worker, uint64_t delivery, uint32_t n);

/* Packs the acknowledgements that have gathered. True if none are left. */
bool skep__worker_send_acks(skep_worker *worker);

/* --- job.c --- */

/* Frees a job, or NULL. */
void skep__worker_free_job(struct skep__worker_job *job);

/* Gives back what waits and was not begun. */
void skep__worker_release_jobs(skep_worker *worker);

/* Frees every job, kept ones too. */
void skep__worker_free_jobs(skep_worker *worker);

/* --- jobs.c --- */

/* Jobs from the inbox */
void skep__worker_jobs_received(skep_worker *worker, const struct skep_command_jobs *jobs);
