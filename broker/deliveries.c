/* SPDX-License-Identifier: MIT
 * A ring of deliveries, grown by doubling. */
#include "deliveries.h"

#include <stdlib.h>

static struct skep__delivery *at(const struct skep__deliveries *d, uint64_t number) {
    return &d->ring[number & (d->capacity - 1)];
}

int skep__deliveries_reserve(struct skep__deliveries *d) {
    if (d->next - d->first < d->capacity) return SKEP_OK;
    struct skep__deliveries larger = {.capacity = d->capacity > 0 ? d->capacity * 2 : 16};
    larger.ring = malloc(larger.capacity * sizeof *larger.ring);
    if (larger.ring == NULL) return SKEP_ENOMEM;
    for (uint64_t n = d->first; n < d->next; n++) *at(&larger, n) = *at(d, n);
    free(d->ring);
    d->ring = larger.ring;
    d->capacity = larger.capacity;
    return SKEP_OK;
}

void skep__deliveries_add(struct skep__deliveries *d, struct skep__job *job) {
    job->delivery = d->next++;
    *at(d, job->delivery) = (struct skep__delivery){.job = job, .queue = job->queue};
}

struct skep__delivery *skep__deliveries_find(struct skep__deliveries *d, uint64_t number) {
    if (number < d->first || number >= d->next) return NULL;
    struct skep__delivery *delivery = at(d, number);
    return delivery->queue != NULL ? delivery : NULL;
}

void skep__deliveries_settle(struct skep__deliveries *d, struct skep__delivery *delivery) {
    *delivery = (struct skep__delivery){0};
    while (d->first < d->next && at(d, d->first)->queue == NULL) d->first++;
}

void skep__deliveries_free(struct skep__deliveries *d) {
    free(d->ring);
    d->ring = NULL;
    d->capacity = 0;
    d->first = d->next;
}
