/* SPDX-License-Identifier: MIT
 * Queues: who is served from them, and how. What is stored for a queue is its shelf's (store.h). A queue is made when
 * it is named, and forgotten when it is empty and unused. */
#ifndef SKEP_JOBS_QUEUES_H
#define SKEP_JOBS_QUEUES_H

#include "histogram.h"
#include "jobs/store.h"

enum { SKEP__QUEUE_KEPT_MS = 60000 /* that a queue is unused before it is forgotten */ };

TAILQ_HEAD(skep__queue_list, skep__queue);

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
    TAILQ_ENTRY(skep__queue) entry; /* in queues.empty while empty */
    uint64_t unused_ms;             /* empty: since then and a millisecond nobody has used it; 0: not yet */
    bool empty;                     /* its shelf is */
    char name[SKEP_MAX_NAME + 1];
    struct skep__shelf *shelf;
    /* ever */
    uint64_t redelivered, refused, unclaimed, interrupted, taken_back;
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

/* All queues of a store */
struct skep__queues {
    struct skep__store *store;
    struct skep__queue *by_name;
    struct skep__queue_list empty; /* the one that has been so for longest first */
    bool durable;                  /* as long as nothing else is said of one */
    int failure; /* why a queue could not be made: SKEP_EINVAL (its name), SKEP_EQUEUES, SKEP_ENOMEM */
};

/* Those of a store, which has none. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__queues_new(struct skep__queues **queues, struct skep__store *store);

/* The queue of a name; NULL: it is not there. */
struct skep__queue *skep__queues_find(struct skep__queues *queues, const char *name, size_t size_bytes);

/* The same; made if it is not there. Where there are as many as there may be, the one that has been empty for longest
 * and that nobody uses is forgotten for it. NULL: queues.failure says why. */
struct skep__queue *skep__queues_get(struct skep__queues *queues, const char *name, size_t size_bytes);

/* In the order of their making: NULL gives the first, the last gives NULL. */
struct skep__queue *skep__queues_next(const struct skep__queues *queues, const struct skep__queue *queue);

/* To be called when the shelf of a queue has become empty, or is not any more. */
void skep__queues_note(struct skep__queues *queues, struct skep__queue *queue);

/* To be called now and then: forgets those that have been unused for so long. */
void skep__queues_tidy(struct skep__queues *queues, uint64_t now_ms);

/* Forgets all of them. Their store has been freed. */
void skep__queues_free(struct skep__queues **queues);

#endif
