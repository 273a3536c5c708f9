/* SPDX-License-Identifier: MIT
 * A ring of deliveries, grown by doubling, and a table of the few that outlast it. */
#include "jobs/deliveries.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 16 };

struct skep__straggler {
    UT_hash_handle hh; /* in the order of numbers, since that is the order in which they come */
    uint64_t number;
    struct skep__delivery delivery;
};

static struct skep__delivery *at(const struct skep__deliveries *d, uint64_t number) {
    return &d->ring[number & (d->capacity - 1)];
}

static void advance(struct skep__deliveries *d) {
    while (d->first < d->next && at(d, d->first)->queue == NULL) d->first++;
}

/* --- stragglers --- */

static struct skep__straggler *find_straggler(const struct skep__deliveries *d, uint64_t number) {
    struct skep__straggler *straggler;
    HASH_FIND(hh, d->stragglers, &number, sizeof number, straggler);
    return straggler;
}

static void drop_straggler(struct skep__deliveries *d, struct skep__straggler *straggler) {
    HASH_DEL(d->stragglers, straggler); // NOLINT(clang-analyzer-unix.Malloc): the one before is in the table no more
    free(straggler);
}

/* Empties the first place. */
static int move_first(struct skep__deliveries *d) {
    struct skep__delivery *first = at(d, d->first);
    if (first->job != NULL) {
        struct skep__straggler *straggler = malloc(sizeof *straggler);
        if (straggler == NULL) return SKEP_ENOMEM;
        straggler->number = d->first;
        straggler->delivery = *first;
        HASH_ADD(hh, d->stragglers, number, sizeof straggler->number, straggler);
        if (!SKEP_IS_ADDED(straggler, hh)) {
            free(straggler);
            return SKEP_ENOMEM;
        }
    }
    *first = (struct skep__delivery){0};
    advance(d);
    return SKEP_OK;
}

/* --- room --- */

uint64_t skep__deliveries_in_the_way(const struct skep__deliveries *d) {
    return d->next - d->first == SKEP_CLAIMS ? d->first : 0;
}

static int grow(struct skep__deliveries *d) {
    struct skep__deliveries larger = {.capacity = d->capacity > 0 ? d->capacity * 2 : FIRST_CAPACITY};
    larger.ring = malloc(larger.capacity * sizeof *larger.ring);
    if (larger.ring == NULL) return SKEP_ENOMEM;
    for (uint64_t n = d->first; n < d->next; n++) *at(&larger, n) = *at(d, n);
    free(d->ring);
    d->ring = larger.ring;
    d->capacity = larger.capacity;
    return SKEP_OK;
}

int skep__deliveries_reserve(struct skep__deliveries *d) {
    if (d->next - d->first < d->capacity) return SKEP_OK;
    return d->capacity == SKEP_CLAIMS ? move_first(d) : grow(d);
}

void skep__deliveries_add(struct skep__deliveries *d, struct skep__job *job, uint64_t sent_ms) {
    job->delivery = d->next++;
    *at(d, job->delivery) = (struct skep__delivery){.job = job, .queue = job->queue, .sent_ms = sent_ms};
    d->jobs++;
}

void skep__deliveries_undo(struct skep__deliveries *d, uint64_t from) {
    d->jobs -= d->next - from;
    d->next = from;
}

/* --- finding --- */

struct skep__delivery *skep__deliveries_find(struct skep__deliveries *d, uint64_t number) {
    if (number >= d->next) return NULL;
    if (number < d->first) {
        struct skep__straggler *straggler = d->stragglers != NULL ? find_straggler(d, number) : NULL;
        return straggler != NULL ? &straggler->delivery : NULL;
    }
    struct skep__delivery *delivery = at(d, number);
    return delivery->queue != NULL ? delivery : NULL;
}

bool skep__deliveries_is_straggler(const struct skep__deliveries *d, uint64_t number) {
    return number < d->first;
}

void skep__deliveries_settle(struct skep__deliveries *d, uint64_t number) {
    if (number < d->first) {
        drop_straggler(d, find_straggler(d, number));
        d->jobs--;
        return;
    }
    d->jobs -= at(d, number)->job != NULL;
    *at(d, number) = (struct skep__delivery){0};
    advance(d);
}

void skep__deliveries_take(struct skep__deliveries *d, uint64_t number) {
    if (number < d->first) {
        skep__deliveries_settle(d, number);
        return;
    }
    at(d, number)->job = NULL;
    d->jobs--;
}

static const struct skep__straggler *last_straggler(const struct skep__deliveries *d) {
    return d->stragglers != NULL ? ELMT_FROM_HH(d->stragglers->hh.tbl, d->stragglers->hh.tbl->tail) : NULL;
}

static const struct skep__straggler *straggler_after(const struct skep__deliveries *d, uint64_t number) {
    const struct skep__straggler *straggler = find_straggler(d, number);
    if (straggler != NULL) return straggler->hh.next;
    straggler = d->stragglers;
    while (straggler != NULL && straggler->number < number) straggler = straggler->hh.next;
    return straggler;
}

static const struct skep__straggler *straggler_before(const struct skep__deliveries *d, uint64_t number) {
    const struct skep__straggler *straggler = find_straggler(d, number);
    if (straggler != NULL) return straggler->hh.prev;
    straggler = last_straggler(d);
    while (straggler != NULL && straggler->number > number) straggler = straggler->hh.prev;
    return straggler;
}

uint64_t skep__deliveries_after(const struct skep__deliveries *d, uint64_t number) {
    if (number >= d->next) return 0;
    const struct skep__straggler *straggler = number < d->first ? straggler_after(d, number) : NULL;
    if (straggler != NULL) return straggler->number;
    for (uint64_t n = number >= d->first ? number + 1 : d->first; n < d->next; n++)
        if (at(d, n)->queue != NULL) return n;
    return 0;
}

uint64_t skep__deliveries_before(const struct skep__deliveries *d, uint64_t number) {
    for (uint64_t n = number < d->next ? number : d->next; n-- > d->first;)
        if (at(d, n)->queue != NULL) return n;
    const struct skep__straggler *straggler = straggler_before(d, number);
    return straggler != NULL ? straggler->number : 0;
}

void skep__deliveries_free(struct skep__deliveries *d) {
    struct skep__straggler *straggler, *next;
    HASH_ITER(hh, d->stragglers, straggler, next) drop_straggler(d, straggler);
    free(d->ring);
    d->ring = NULL;
    d->capacity = 0;
    d->first = d->next;
    d->jobs = 0;
}
