/* SPDX-License-Identifier: MIT
 * Which jobs a worker has, by the number of their delivery. */
#ifndef SKEP_JOBS_DELIVERIES_H
#define SKEP_JOBS_DELIVERIES_H

#include "jobs/queues.h"

struct skep__delivery {
    struct skep__job *job;     /* NULL: its lease has ended */
    struct skep__queue *queue; /* where it came from; NULL: answered */
    uint64_t sent_ms;          /* by the pace */
};

/* The latest SKEP_CLAIMS deliveries are in a ring, in places as their claims have on the page. One that is not answered
 * by the time its place is needed is a straggler. Zero-initialised is empty, with first = next = 1 to be set. */
struct skep__deliveries {
    struct skep__delivery *ring;
    size_t capacity;      /* a power of two, at most SKEP_CLAIMS */
    uint64_t first, next; /* numbers in the ring: all before first have been answered, or are stragglers */
    struct skep__straggler *stragglers;
    size_t jobs; /* that it has, in the ring and outside */
};

/* The delivery whose place the next one needs; 0: there is room. */
uint64_t skep__deliveries_in_the_way(const struct skep__deliveries *deliveries);

/* Makes room for one more. A job that is in the way becomes a straggler; a delivery whose lease has ended is forgotten.
 * Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__deliveries_reserve(struct skep__deliveries *deliveries);

/* Adds a job, for which there is room, and gives it its number. */
void skep__deliveries_add(struct skep__deliveries *deliveries, struct skep__job *job, uint64_t sent_ms);

/* The delivery of a number; NULL if there is none that has not been answered. */
struct skep__delivery *skep__deliveries_find(struct skep__deliveries *deliveries, uint64_t number);

/* Whether it has outlasted the ring. Then its job has begun: none else was allowed to be in the way. */
bool skep__deliveries_is_straggler(const struct skep__deliveries *deliveries, uint64_t number);

/* Forgets those from this number on, as if they had not been added; they were added last. */
void skep__deliveries_undo(struct skep__deliveries *deliveries, uint64_t from);

/* Marks one as answered. */
void skep__deliveries_settle(struct skep__deliveries *deliveries, uint64_t number);

/* Its lease has ended: a late answer is known for what it is as long as its place is not needed. */
void skep__deliveries_take(struct skep__deliveries *deliveries, uint64_t number);

/* The number of the first delivery after a number, or the last before one, that has not been answered; 0: there is
 * none. */
uint64_t skep__deliveries_after(const struct skep__deliveries *deliveries, uint64_t number);
uint64_t skep__deliveries_before(const struct skep__deliveries *deliveries, uint64_t number);

void skep__deliveries_free(struct skep__deliveries *deliveries);

#endif
