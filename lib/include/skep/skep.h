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

/* How a job is to be done, for whoever submits it (skep/client.h, skep/cluster.h). Zero-initialised is the default. */
typedef struct skep_job_options {
    int priority;      /* -128 to 127: smaller ones come first; 0 */
    uint32_t delay_ms; /* not before this has passed */
    uint32_t ttl_ms;   /* a dead letter if nobody has begun it after so long; 0: never */
    uint32_t lease_ms; /* how long a worker may work on it before another gets it, 100 at least; 0: the queue's */
    unsigned attempts; /* how often it may be tried; 0: the queue's setting */
    const char *key;   /* 1 to 64 bytes: a job with a key that the queue had a while ago is not taken again */
} skep_job_options;

/* Settings of one queue. Zero-initialised: those of skep_settings, and no limits. */
typedef struct skep_queue_options {
    unsigned lease_ms;       /* how long a worker may work on a job before another gets it, 100 at least */
    unsigned attempts;       /* how often a job is tried, if the submitter does not say, 65,535 at most */
    unsigned concurrency;    /* jobs that workers have at a time, all workers together; 0: no limit */
    unsigned job_credit;     /* jobs that one worker has at most, those sent ahead among them */
    unsigned backoff_ms;     /* before a job that failed is tried again, if the worker does not say; 0: at once */
    unsigned backoff_max_ms; /* it doubles with each failure up to this; 0: it does not */
    unsigned interruptions;  /* workers that may end in the middle of a job, not to be blamed on it, before it is a dead
                                letter, 65,535 at most; 0: no limit */
} skep_queue_options;

#ifdef __cplusplus
}
#endif
#endif
