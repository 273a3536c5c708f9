/* SPDX-License-Identifier: MIT
 * Jobs and where they are kept. The ledger decides what becomes of a job; a store only moves it from one state to the
 * next and finds the one that comes first. All times are milliseconds of the broker's clock (clock.h), given by the
 * caller. All functions and events are of the loop's thread, whatever threads a store has of its own.
 *
 * Reading is immediate: a store has in this process what it shows (first, next, expired, the counts of shelves), which
 * may be less than what is stored. Who has a job is not stored: reserve, begun, release and ripen take effect at once,
 * and after a restart of the broker what was reserved is ready again. The ledger counts attempts, deaths and the like
 * in the job itself; they are stored with its next change.
 *
 * What is stored is changed by put, ack, retry, recover, bury, cancel, revive and drop. A store may complete these
 * later, on another turn of the loop, and several of them together. Until then the job is in the state PENDING: the
 * store has it, counts it towards the limits, shows it nowhere and hands it out to nobody; the caller keeps no pointer
 * to it. When the change is complete the job is where the change says, and only then others learn of it: the submitter
 * that it was accepted, or its outcome. Changes of one job are completed in their order, and puts in theirs, or a
 * client would hear what became of a job before it hears that it was accepted.
 *
 * put may fail, late too: then nothing is left of the job, and its key is free. The other changes do not fail: a store
 * that cannot complete one reports trouble and tries again, since undoing it would have the job done twice. */
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
#include "command.h"
#include "common/table.h"
#include "contract.h"

enum { SKEP__PRIORITIES = UINT8_MAX + 1, SKEP__PRIORITY_MIDDLE = 128 };

enum skep__job_state {
    SKEP__JOB_READY,
    SKEP__JOB_RESERVED,
    SKEP__JOB_DELAYED,
    SKEP__JOB_DEAD,
    SKEP__JOB_PENDING /* a change of it is not complete */
};

/* How a worker ended that a job is blamed for */
struct skep__exit_record {
    uint32_t worker;
    pid_t pid;
    int code, signal; /* one of them is -1; both: not known */
    uint64_t uptime_ms;
};

/* Why a job is a dead letter */
struct skep__death {
    const char *cause; /* static text: attempts, deaths, interrupted, expired, refused */
    struct skep__exit_record exit;
    uint64_t wall_ms; /* when, since 1970 */
    size_t size_bytes;
    char reason[]; /* terminated */
};

struct skep__job {
    TAILQ_ENTRY(skep__job) entry; /* in the list of its state */
    struct skep__job *by_id;      /* the next in its place of the table of ids */
    struct skep__queue *queue;
    uint64_t id;          /* from 1, in the order of acceptance */
    uint64_t accepted_ms; /* or put back from the dead letters */
    uint64_t at_ms;       /* delayed: ready then; reserved: since then, or since its lease was extended */
    uint64_t expires_ms;  /* dead if it was not begun by then; 0: never */
    struct skep__heap_node delay_node, expiry_node;

    union {
        struct skep__consumer *consumer; /* reserved: the place of the worker that has it; else NULL */
        const char *cause;               /* pending: static text, why it will be dead */
    };
    union {
        uint64_t delivery;      /* reserved: its number at that worker */
        struct skep__job *next; /* pending: the next of which a change is written */
    };
    uint64_t number;           /* the submitter's */
    struct skep__death *death; /* dead; pending: also what will be told of its end */
    struct skep__key *key;     /* NULL: it has none */

    union {                      /* NULL: it is in memory only */
        struct skep__row *row;   /* where a disk has it */
        struct skep__held *held; /* what is known of its message in a stream */
    };
    uint32_t client; /* the submitter; 0: the primary */
    uint32_t size_bytes;
    uint32_t attempt;       /* deliveries that were begun, the present one among them */
    uint32_t failures;      /* of them, those that failed or whose lease ended */
    uint32_t lease_ms;      /* its own; 0: the queue's */
    uint16_t attempts;      /* failures that make it a dead letter */
    uint16_t deaths;        /* workers whose end it is blamed for */
    uint16_t interruptions; /* workers that ended while they worked on it, and are not to be blamed on it */
    uint8_t priority;       /* smaller ones come first */
    uint8_t state;          /* enum skep__job_state */
    bool wants_outcome;     /* the submitter waits for it, or somebody with a copy */
    bool timed;             /* reserved: it has begun, and at_ms is when that was, or when its lease was extended */
    uint8_t change;         /* pending: what is being written, enum of jobs/disk/ */
    bool noted;             /* a disk has more of it than its row */
    char data[];
};
TAILQ_HEAD(skep__job_list, skep__job);

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
    uint64_t stored_count;                /* ready jobs that are not shown yet: there is no room for them in memory */
    uint64_t pending_count;               /* jobs of which a change is not complete */
    uint64_t kept_count, kept_dead_count; /* jobs that outlast the broker: not dead, and dead */
    bool durable;                         /* what is put outlasts the broker; the owner says so */

    union { /* NULL: the store is in memory */
        struct skep__disk_shelf *disk;
        struct skep__stream_shelf *stream;
    };
    size_t bytes;                                   /* memory of its jobs and keys */
    uint64_t submitted, done, duplicates, declined; /* ever */
    bool empty;                                     /* as events.emptied says */
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

/* Jobs that are put together, as they came; borrowed */
struct skep__batch {
    struct skep__submission common; /* but for data and key; number is that of the first, the others' follow by one */
    struct skep_list jobs;
    struct skep_list keys; /* none, or one for each job; an empty one: it has none */
    uint32_t first;        /* those before it are not put */
};

/* Fills in what is the job's own; the rest is batch.common. */
static inline void skep__batch_get(const struct skep__batch *batch, uint32_t index, struct skep__submission *s) {
    struct skep_bytes data = skep__list_at(&batch->jobs, index), key = {0};
    if (batch->keys.count > 0) key = skep__list_at(&batch->keys, index);
    s->data = data.data;
    s->size_bytes = data.size_bytes;
    s->key = key.size_bytes > 0 ? key.data : NULL;
    s->key_bytes = key.size_bytes;
    s->number = batch->common.number + (index - batch->first);
}

/* What became of jobs that were put, one behind the other */
struct skep__answer {
    uint32_t n;        /* how many; more than one only if they are stored, under ids that follow by one, or declined */
    int status;        /* SKEP_OK: it is stored. SKEP_EDUPLICATE: a job with its key was there. Else it was declined */
    uint64_t id;       /* of the first, or that of the job with its key */
    bool waits;        /* duplicate whose outcome is wanted: it will be that of the job with its key, */
    const char *ended; /* or that has ended: "done", or the cause of its death, static text */
};

/* Who puts a batch. It is the caller's, and stays until all jobs have been answered. */
struct skep__put {
    /* Called for the jobs of the batch, in their order. It may put more jobs, and read. */
    void (*answered)(struct skep__put *put, const struct skep__answer *answer);
};

/* The cause of a job that was cancelled */
extern const char skep__cancelled[];

/* Where a job is that a store has not in memory */
enum skep__whereabouts {
    SKEP__NOWHERE, /* it never was, or is forgotten */
    SKEP__STORED,  /* it is ready, and not shown yet; or has been shown meanwhile */
    SKEP__ENDED
};

/* What a store has written of a job; borrowed */
struct skep__record {
    enum skep__whereabouts where;
    const char *queue; /* name */

    /* stored */
    bool cancelled; /* as was asked for; else it is shown now, if that was asked */
    uint8_t priority;
    uint64_t age_ms;        /* since it was accepted */
    struct skep_bytes data; /* payload */

    /* ended */
    uint32_t attempt;  /* 0: not known */
    const char *cause; /* static text: why it became a dead letter, which was dropped; or cancelled; NULL: done */
    struct skep_bytes result; /* or the reason */
    uint64_t ended_ms;        /* since 1970; 0: not known */
};

/* A question about a job that is not in memory. The asker's, and stays until it is answered. */
struct skep__recall {
    uint64_t id;
    bool cancels; /* a job that is stored is ended for good */
    /* record is NULL if status is not SKEP_OK. It may ask again, and change jobs. */
    void (*recalled)(struct skep__recall *recall, int status, const struct skep__record *record);
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

    /* Of a store that had queues before this start: their names, from index 0; NULL: there are no more. The function
     * NULL: it never has. */
    const char *(*name)(struct skep__store *store, size_t index);

    /* Has a shelf show what is stored for it; to be called once, before anything is put. Errors: SKEP_ENOMEM, and what
     * its medium may say. The function NULL: nothing is. */
    int (*restore)(struct skep__store *store, struct skep__shelf *shelf, uint64_t now_ms);

    /* A shelf for a queue, empty. NULL: no memory. */
    struct skep__shelf *(*open)(struct skep__store *store, struct skep__queue *queue);

    /* Forgets a shelf, which is empty: no change of a job of it is pending either. */
    void (*close)(struct skep__store *store, struct skep__shelf *shelf);

    /* Takes copies: each is ready or delayed when it has been answered. That is before it returns, if the shelf is not
     * durable, so that a put may be on the caller's stack; else it is later. If there is no memory within the limits,
     * keys of jobs that have ended are forgotten for it. Who wants the outcome of a duplicate waits for that of the job
     * with the key. Errors, for each job: SKEP_EFULL, SKEP_ENOMEM, SKEP_ECLOSED (the store was freed), and what else
     * its medium may say, such as SKEP_ENOSPC and SKEP_ESYS. */
    void (*put)(struct skep__store *store, struct skep__shelf *shelf, const struct skep__batch *batch, uint64_t now_ms,
                struct skep__put *put);

    /* Removes and returns all that wait for a job's outcome: no more can wait for it. NULL gives
     * the first, the last gives NULL. The submitter is not among them if the job has no key. */
    const struct skep__waiter *(*next_waiter)(const struct skep__job *job, const struct skep__waiter *waiter);

    /* The ready job that comes first; NULL: none is. */
    struct skep__job *(*first)(struct skep__shelf *shelf);

    /* Workers could take more of it than is ready. The function NULL: all there is is shown. */
    void (*wanted)(struct skep__store *store, struct skep__shelf *shelf);

    /* ready -> reserved */
    void (*reserve)(struct skep__store *store, struct skep__job *job, uint64_t now_ms);

    /* reserved: it was begun, and does not expire any more */
    void (*begun)(struct skep__store *store, struct skep__job *job);

    /* ready, delayed, reserved -> done: tells events.done, and forgets it. The result is borrowed: who completes this
     * later copies it.
     */
    void (*ack)(struct skep__store *store, struct skep__job *job, const struct skep_bytes *result, uint64_t now_ms);

    /* reserved -> delayed until due_ms, or ready behind the others if that is now */
    void (*retry)(struct skep__store *store, struct skep__job *job, uint64_t now_ms, uint64_t due_ms);

    /* reserved and never begun -> ready, before the others */
    void (*release)(struct skep__store *store, struct skep__job *job);

    /* reserved and begun by a worker that has ended -> ready, before the others. It is given to nobody before the
     * attempt is stored, or another attempt would have the same number after a restart of the broker. */
    void (*recover)(struct skep__store *store, struct skep__job *job);

    /* ready, delayed, reserved -> dead, and tells events.died; cause is static text; death is the job's from here on,
     * NULL if there was no memory for it; reason is what it contains, borrowed */
    void (*bury)(struct skep__store *store, struct skep__job *job, const char *cause, struct skep__death *death,
                 const struct skep_bytes *reason, uint64_t now_ms);

    /* ready, delayed, reserved -> gone: tells events.cancelled, and forgets it */
    void (*cancel)(struct skep__store *store, struct skep__job *job, uint64_t now_ms);

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

    /* The job of an id, in any state; NULL: it is not in memory. */
    struct skep__job *(*find)(struct skep__store *store, uint64_t id);

    /* Looks for a job that is not in memory; answers later, or before it returns (SKEP_ENOMEM). Errors: SKEP_ECLOSED
     * (the store was freed), and what its medium may say. The function NULL: nothing is anywhere else. */
    void (*recall)(struct skep__store *store, struct skep__recall *recall);

    /* What was made with the medium and is of no other; 0: there is no such number. The function NULL: as 0. */
    uint64_t (*identity)(const struct skep__store *store);

    /* In words, why restore failed; until the next call. The function NULL: nothing more is known. */
    const char *(*why)(const struct skep__store *store);

    /* Completes what it still can. Puts that are pending are answered with SKEP_ECLOSED, if they cannot be; no event
     * but emptied follows. Jobs and shelves are freed. */
    void (*free)(struct skep__store **store);
};

/* What a store tells; its owner fills it in. */
struct skep__store_events {
    /* The shelf of a queue has become empty, or is not any more: of jobs, keys and pending changes. */
    void (*emptied)(void *context, struct skep__shelf *shelf);

    /* A job is done; told of those whose outcome is wanted or that have a result. NULL: there was no memory to keep the
     * result. */
    void (*done)(void *context, struct skep__job *job, const struct skep_bytes *result);

    /* It is a dead letter. */
    void (*died)(void *context, struct skep__job *job, const char *cause, const struct skep_bytes *reason);

    /* It is not to be done any more, and is forgotten next. */
    void (*cancelled)(void *context, struct skep__job *job);

    /* A job that was stored is in memory from here on. NULL: nobody asks. */
    void (*shown)(void *context, struct skep__job *job);

    /* Changes that were pending have been completed, as many as were at this time: there may be ready jobs. The store
     * may be called. */
    void (*settled)(void *context);

    /* Changes cannot be completed now; they are tried again. why: in the medium's words. */
    void (*trouble)(void *context, int status, const char *why);

    /* The trouble has ended; how, in words. Not told by a store that has no more to say than that. */
    void (*mended)(void *context, const char *how);
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
