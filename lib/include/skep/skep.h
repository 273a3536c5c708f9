/* SPDX-License-Identifier: MIT
 * What every user of Skep shares: statuses, version, whether this process is a worker, options of jobs. */
#ifndef SKEP_SKEP_H
#define SKEP_SKEP_H

#include <skep/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKEP_VERSION "0.1.0"

/* True in a process that a broker started (its environment carried SKEP_WORKER_ID when the program began). The variable
 * is removed before main(), so that this process's own children are not taken for workers (Node: cluster.isWorker). */
bool skep_is_worker(void);

/* The opposite of skep_is_worker() (Node: cluster.isPrimary). */
bool skep_is_primary(void);

/* Version of the library that is running, such as "0.1.0"; borrowed. */
const char *skep_version(void);

/* Options of a submission (skep/client.h, skep/cluster.h). Zero-initialised is the default. */
typedef struct skep_job_options {
    int priority;      /* -128 to 127: smaller ones come first (default: 0) */
    uint32_t delay_ms; /* delay it this long (default: 0) */
    uint32_t ttl_ms;   /* a dead letter if no worker has begun it within this time (default: 0, never) */
    uint32_t lease_ms; /* time for a worker to do it, 100 at least; its end is a failure (default: the queue's) */
    unsigned attempts; /* maximum of attempts (default: the queue's setting) */
    const char *key;   /* 1 to 64 bytes: not accepted while its queue holds or remembers a job with this key */
} skep_job_options;

/* Settings of one queue. Zero-initialised: those of skep_settings, and no limits.
 *
 * A job that is neither completed nor extended when its lease ends has failed, as if its worker had asked for a retry:
 * it has used up an attempt, waits for the backoff, and is delivered again with redelivered set; after its last attempt
 * it is a dead letter with the cause attempts. The worker's late answer is refused. */
/* Whether jobs of a queue outlast the broker: as the broker's setting is, or for this queue */
enum skep_durable { SKEP_DURABLE_AS_SET, SKEP_DURABLE, SKEP_IN_MEMORY };

typedef struct skep_queue_options {
    unsigned lease_ms;       /* time for a worker to do a job, 100 at least */
    unsigned attempts;       /* attempts of a job, unless its submitter sets them, 65,535 at most */
    unsigned concurrency;    /* maximum of jobs that all workers together have at a time; 0: no limit */
    unsigned job_credit;     /* maximum of jobs that one worker has, including those sent ahead, 65,535 at most */
    unsigned backoff_ms;     /* delay of a failed job, unless the worker sets it; 0: none */
    unsigned backoff_max_ms; /* it doubles with each failure up to this; 0: it does not; only with backoff_ms */
    unsigned interruptions;  /* a job that was interrupted this often by ends of workers that it did not cause is a dead
                                letter, 65,535 at most; 0: no limit */
    enum skep_durable durable; /* of jobs that are submitted from now on */
} skep_queue_options;

#ifdef __cplusplus
}
#endif
#endif
