/* SPDX-License-Identifier: MIT
 * What memory has of a queue. */
#ifndef SKEP_JOBS_STORE_SHELF_H
#define SKEP_JOBS_STORE_SHELF_H

#include "jobs/queues.h"

TAILQ_HEAD(skep__ended_keys, skep__key);

struct skep__memory_shelf {
    struct skep__shelf shelf; /* first member */
    LIST_ENTRY(skep__memory_shelf) entry;
    struct skep__job_list ready[SKEP__PRIORITIES]; /* each in the order of becoming ready */
    uint64_t busy[SKEP__PRIORITIES / 64];          /* a bit for each priority that has jobs */
    struct skep__job_list delayed;                 /* in no order */
    struct skep__job_list dead;                    /* the oldest first */
    struct skep__key *keys;                        /* held or remembered, by key */
    struct skep__ended_keys ended_keys;            /* remembered; the first to be forgotten comes first */
    size_t ended_bytes; /* how much of shelf.bytes is of remembered keys whose jobs are not there any more */
};

static inline struct skep__memory_shelf *skep__memory_shelf(struct skep__shelf *shelf) {
    return (struct skep__memory_shelf *)shelf;
}

static inline struct skep__memory_shelf *skep__memory_shelf_of(const struct skep__job *job) {
    return skep__memory_shelf(job->queue->shelf);
}

/* An empty one; NULL: no memory. Free with free. */
struct skep__memory_shelf *skep__memory_shelf_new(struct skep__queue *queue);

/* A job becomes ready, before the others of its priority or behind them; and is not any more. */
void skep__memory_shelf_add_ready(struct skep__job *job, bool first);
void skep__memory_shelf_remove_ready(struct skep__job *job);

/* The first ready job of this priority or, if it has none, of those after it; NULL: none is. */
struct skep__job *skep__memory_shelf_first(const struct skep__memory_shelf *shelf, unsigned priority);

/* As oldest_ms of the store's kind. */
uint64_t skep__memory_shelf_oldest_ms(const struct skep__shelf *shelf, uint64_t now_ms);

/* Whether no job and no key is in it. */
bool skep__memory_shelf_is_empty(const struct skep__memory_shelf *shelf);

#endif
