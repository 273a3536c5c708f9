/* SPDX-License-Identifier: MIT
 * Jobs and where they are kept. The ledger decides what becomes of a job; a store only moves it from one state to the
 * next and finds the one that comes first. All times are milliseconds of the broker's clock (clock.h), given by the
 * caller. */
#ifndef SKEP_JOBS_STORE_H
#define SKEP_JOBS_STORE_H

#include <skep/cluster.h>
#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/heap.h"
#include "base/reserve.h"
#include "common/table.h"
#include "contract.h"
#include "histogram.h"

enum { SKEP__PRIORITIES = UINT8_MAX + 1, SKEP__PRIORITY_MIDDLE = 128 };

enum skep__job_state { SKEP__JOB_READY, SKEP__JOB_RESERVED, SKEP__JOB_DELAYED, SKEP__JOB_DEAD };

/* How a worker ended that a job is blamed for */
struct skep__exit_record {
    uint32_t worker;
    pid_t pid;
    int code, signal; /* one of them is -1; both: not known */
    uint64_t uptime_ms;
};

/* Why a job is a dead letter */
struct skep__death {
    const char *cause; /* static text: attempts, deaths, expired, refused */
    struct skep__exit_record exit;
    uint64_t wall_ms; /* when, since 1970 */
    char reason[];
};

struct skep__job {
    TAILQ_ENTRY(skep__job) entry; /* in queue.ready, queue.delayed, queue.dead, or among the reserved ones */
    struct skep__queue *queue;
    uint64_t id;          /* from 1, in the order of acceptance */
    uint64_t accepted_ms; /* or put back from the dead letters */
    uint64_t at_ms;       /* delayed: ready then; reserved: since then, or since its lease was extended */
    uint64_t expires_ms;  /* dead if it was not begun by then; 0: never */
    struct skep__heap_node delay_node, expiry_node;

    struct skep__consumer *holder; /* reserved: the worker that has it */
    uint64_t delivery;             /* reserved: its number there */
    uint64_t number;               /* the submitter's */
    struct skep__death *death;     /* dead */
    struct skep__key *key;         /* NULL: it has none */
    uint32_t client;               /* the submitter; 0: the primary */
    uint32_t size_bytes;
    uint32_t attempt;       /* deliveries that were begun, the present one among them */
    uint32_t failures;      /* of them, those that failed or whose lease ended */
    uint32_t lease_ms;      /* its own; 0: the queue's */
    uint16_t attempts;      /* failures that make it a dead letter */
    uint16_t deaths;        /* workers that died of it */
    uint16_t interruptions; /* workers that ended while they worked on it, and are not to be blamed on it */
    uint8_t priority;       /* smaller ones come first */
    uint8_t state;          /* enum skep__job_state */
    bool wants_outcome;     /* the submitter waits for it, or somebody with a copy */
    char data[];
};
TAILQ_HEAD(skep__jobs, skep__job);
TAILQ_HEAD(skep__queue_list, skep__queue);
TAILQ_HEAD(skep__ended_keys, skep__key);

/* Who submitted a copy of a job and waits for the outcome of that job */
struct skep__waiter {
    LIST_ENTRY(skep__waiter) entry;
    uint64_t number; /* the copy's */
    uint32_t client; /* 0: the primary */
};

/* What a worker can do with a job */
enum skep__capacity {
    SKEP__IDLE,    /* begin it */
    SKEP__LAGGING, /* begin it, which it did not do in time lately */
    SKEP__BUSY,    /* begin it later: it is sent ahead */
    SKEP__CAPACITIES,
    SKEP__FULL = SKEP__CAPACITIES /* nothing */
};

struct skep__queue {
    UT_hash_handle hh;
    TAILQ_ENTRY(skep__queue) entry; /* in the store's empty queues while empty */
    uint64_t unused_ms;             /* empty: since then and a millisecond nobody has used it; 0: not yet */
    bool empty;                     /* no job and no key is in it */
    char name[SKEP_MAX_NAME + 1];
    struct skep__jobs ready[SKEP__PRIORITIES]; /* each in the order of becoming ready */
    uint64_t busy[SKEP__PRIORITIES / 64];      /* a bit for each priority that has jobs */
    struct skep__jobs delayed;                 /* in no order */
    struct skep__jobs dead;                    /* the oldest first */
    struct skep__key *keys;                    /* held or remembered, by key */
    struct skep__ended_keys ended_keys;        /* remembered; the first to be forgotten comes first */

    uint64_t ready_count, reserved_count, delayed_count, dead_count;
    size_t bytes;       /* memory of its jobs and keys, */
    size_t ended_bytes; /* and how much of it is of remembered keys whose jobs are not there any more */
    /* ever */
    uint64_t submitted, done, redelivered, duplicates, declined, refused, unclaimed, interrupted, taken_back;
    struct skep_histogram times; /* how long its jobs were handled */

    TAILQ_HEAD(skep__takers, skep__consumer) takers[SKEP__CAPACITIES]; /* workers that can take jobs, in turn */
    size_t taker_count;
    size_t ahead_count;                    /* workers that have jobs of it which they cannot begin at once */
    LIST_HEAD(, skep__consumer) consumers; /* all workers that handle it */
    uint64_t consumer_count;
    uint64_t typical_ms;        /* from delivery to answer, lately */
    bool paused;                /* hands nothing out until it is resumed */
    bool handled;               /* a worker has handled it, or does */
    bool has_settings;          /* of its own, in options */
    skep_queue_options options; /* 0: the broker's setting */
};

/* What is to be put; borrowed */
struct skep__submission {
    const void *data;
    size_t size_bytes;
    const char *key; /* not terminated; NULL: none */
    size_t key_bytes;
    uint64_t number;
    uint32_t client;
    uint32_t delay_ms, ttl_ms, lease_ms;
    uint16_t attempts;
    uint8_t priority;
    bool wants_outcome;
};

struct skep__store_limits {
    uint64_t queue_jobs, queue_bytes, bytes;
    unsigned dedup_ms;
    struct skep__reserve *reserve; /* is asked before a job is taken; NULL: none is */
};

struct skep__store;

/* A kind of store. A job is in exactly one state, and only functions that say so take it. */
struct skep__store_kind {
    /* The queue of a name; makes it if make is true, else NULL if it is not there. NULL also if it cannot be made:
     * store.failure says why. That may forget a queue that is empty, has no worker and is not paused. */
    struct skep__queue *(*queue)(struct skep__store *store, const char *name, size_t size_bytes, bool make);

    /* All queues, in the order of their making: NULL gives the first, the last gives NULL. */
    struct skep__queue *(*next_queue)(struct skep__store *store, const struct skep__queue *queue);

    /* Takes a copy: ready or delayed. *id is set too with SKEP_EDUPLICATE (a job with its key was there: that one's).
     * If there is no memory within the limits, keys of jobs that have ended are forgotten for it. Errors: SKEP_EFULL,
     * SKEP_ENOMEM. */
    int (*put)(struct skep__store *store, struct skep__queue *queue, const struct skep__submission *submission,
               uint64_t now_ms, uint64_t *id);

    /* After SKEP_EDUPLICATE: the submitter waits for the outcome of the job that has the key. Errors: SKEP_ENOJOB (that
     * is done already), SKEP_EDEAD (it is a dead letter; *cause says why), SKEP_EFULL, SKEP_ENOMEM. */
    int (*wait)(struct skep__store *store, struct skep__queue *queue, const struct skep__submission *submission,
                const char **cause);

    /* Removes and returns all that wait for a job's outcome: no more can wait for it. NULL gives
     * the first, the last gives NULL. The submitter is not among them if the job has no key. */
    const struct skep__waiter *(*next_waiter)(const struct skep__job *job, const struct skep__waiter *waiter);

    /* The ready job that comes first; NULL: none is. */
    struct skep__job *(*first)(struct skep__queue *queue);

    /* ready -> reserved */
    void (*reserve)(struct skep__store *store, struct skep__job *job, uint64_t now_ms);

    /* reserved: it was begun, and does not expire any more */
    void (*begun)(struct skep__store *store, struct skep__job *job);

    /* reserved -> done: forgets it */
    void (*ack)(struct skep__store *store, struct skep__job *job, uint64_t now_ms);

    /* reserved -> delayed until due_ms, or ready behind the others if that is now */
    void (*retry)(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms);

    /* reserved -> ready, before the others */
    void (*recover)(struct skep__store *store, struct skep__job *job);

    /* ready, delayed, reserved -> dead; cause is static text; death is the job's from here on, NULL if there was no
     * memory for it */
    void (*bury)(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                 uint64_t now_ms);

    /* dead -> ready, as if it were new */
    void (*revive)(struct skep__store *store, struct skep__job *job, uint64_t now_ms);

    /* dead: forgets it */
    void (*drop)(struct skep__store *store, struct skep__job *job);

    /* delayed -> ready, for each whose time has come, in the order of their times and then of their acceptance, one at
     * a time; its queue, or NULL when there is none */
    struct skep__queue *(*ripen)(struct skep__store *store, uint64_t now_ms);

    /* A job, ready, delayed or reserved and not said to be begun, that has expired; NULL: none has */
    struct skep__job *(*expired)(struct skep__store *store, uint64_t now_ms);

    /* When ripen or expired will have something, or a key is to be forgotten; UINT64_MAX: never */
    uint64_t (*next_ms)(struct skep__store *store);

    /* To be called now and then: forgets the queues that have been empty, without a worker and not paused for a minute.
     */
    void (*tidy)(struct skep__store *store, uint64_t now_ms);

    /* The jobs of a queue in one state, ready ones in their order: NULL gives the first, the last gives NULL. */
    struct skep__job *(*next)(struct skep__store *store, struct skep__queue *queue, enum skep__job_state state,
                              const struct skep__job *job);

    void (*free)(struct skep__store **store);
};

struct skep__store {
    const struct skep__store_kind *kind;
    struct skep__store_limits limits;
    uint64_t forgotten_early; /* keys that were forgotten before their time, to make room; ever */
    int failure;              /* why a queue could not be made: SKEP_EINVAL (its name), SKEP_EQUEUES, SKEP_ENOMEM */
};

/* Jobs in memory. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__store_memory_new(struct skep__store **store, const struct skep__store_limits *limits);

#endif
