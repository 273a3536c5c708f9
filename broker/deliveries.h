/* SPDX-License-Identifier: MIT
 * Which jobs a worker has, by the number of their delivery. */
#ifndef SKEP_DELIVERIES_H
#define SKEP_DELIVERIES_H

#include "store.h"

struct skep__delivery {
    struct skep__job *job;     /* NULL: it was taken back, or answered */
    struct skep__queue *queue; /* where it came from; NULL: answered */
};

/* A ring. Zero-initialised is empty, with first = next = 1 to be set. */
struct skep__deliveries {
    struct skep__delivery *ring;
    size_t capacity;      /* a power of two */
    uint64_t first, next; /* numbers: all before first have been answered */
};

/* Makes room for one more. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__deliveries_reserve(struct skep__deliveries *deliveries);

/* Adds a job, for which there is room, and gives it its number. */
void skep__deliveries_add(struct skep__deliveries *deliveries, struct skep__job *job);

/* The delivery of a number; NULL if there is none that has not been answered. */
struct skep__delivery *skep__deliveries_find(struct skep__deliveries *deliveries, uint64_t number);

/* Marks one as answered. */
void skep__deliveries_settle(struct skep__deliveries *deliveries, struct skep__delivery *delivery);

void skep__deliveries_free(struct skep__deliveries *deliveries);

#endif
