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
    TAILQ_ENTRY(skep__job) entry; /* in the list of its state */
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

/* Who submitted a copy of a job and waits for the outcome of that job */
struct skep__waiter {
    LIST_ENTRY(skep__waiter) entry;
    uint64_t number; /* the copy's */
    uint32_t client; /* 0: the primary */
};

/* What a store has of a queue: the head of its own struct. Only the store writes it; the ledger and others read it. */
struct skep__shelf {
    struct skep__queue *queue; /* who is served from it */
    uint64_t ready_count, reserved_count, delayed_count, dead_count;
    size_t bytes;                                   /* memory of its jobs and keys */
    uint64_t submitted, done, duplicates, declined; /* ever */
    bool empty;                                     /* no job and no key is in it */
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
    size_t shelf_bytes; /* memory of a shelf */

    /* A shelf for a queue, empty. NULL: no memory. */
    struct skep__shelf *(*open)(struct skep__store *store, struct skep__queue *queue);

    /* Forgets a shelf, which is empty. */
    void (*close)(struct skep__store *store, struct skep__shelf *shelf);

    /* Takes a copy: ready or delayed. *id is set too with SKEP_EDUPLICATE (a job with its key was there: that one's).
     * If there is no memory within the limits, keys of jobs that have ended are forgotten for it. Errors: SKEP_EFULL,
     * SKEP_ENOMEM. */
    int (*put)(struct skep__store *store, struct skep__shelf *shelf, const struct skep__submission *submission,
               uint64_t now_ms, uint64_t *id);

    /* After SKEP_EDUPLICATE: the submitter waits for the outcome of the job that has the key. Errors: SKEP_ENOJOB (that
     * is done already), SKEP_EDEAD (it is a dead letter; *cause says why), SKEP_EFULL, SKEP_ENOMEM. */
    int (*wait)(struct skep__store *store, struct skep__shelf *shelf, const struct skep__submission *submission,
                const char **cause);

    /* Removes and returns all that wait for a job's outcome: no more can wait for it. NULL gives
     * the first, the last gives NULL. The submitter is not among them if the job has no key. */
    const struct skep__waiter *(*next_waiter)(const struct skep__job *job, const struct skep__waiter *waiter);

    /* The ready job that comes first; NULL: none is. */
    struct skep__job *(*first)(struct skep__shelf *shelf);

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

    /* When the ready job was accepted that was accepted first, as far as the heads of priorities tell; now_ms: none is.
     */
    uint64_t (*oldest_ms)(const struct skep__shelf *shelf, uint64_t now_ms);

    /* The jobs of a queue in one state, ready ones in their order: NULL gives the first, the last gives NULL. */
    struct skep__job *(*next)(struct skep__store *store, struct skep__shelf *shelf, enum skep__job_state state,
                              const struct skep__job *job);

    void (*free)(struct skep__store **store);
};

/* What a store tells; its owner fills it in. */
struct skep__store_events {
    /* The shelf of a queue has become empty, or is not any more. */
    void (*emptied)(void *context, struct skep__shelf *shelf);
};

struct skep__store {
    const struct skep__store_kind *kind;
    struct skep__store_limits limits;
    const struct skep__store_events *events;
    void *context;            /* of the events */
    uint64_t forgotten_early; /* keys that were forgotten before their time, to make room; ever */
};

/* Jobs in memory. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__store_memory_new(struct skep__store **store, const struct skep__store_limits *limits,
                                         const struct skep__store_events *events, void *context);

#endif
