/* SPDX-License-Identifier: MIT
 * A job in memory. */
#include "jobs/store_job.h"

#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "jobs/store_ids.h"

const char skep__cancelled[] = "cancelled";

size_t skep__job_cost(size_t size_bytes) {
    return sizeof(struct skep__job) + size_bytes + SKEP__MALLOC_BYTES + SKEP__ID_BYTES;
}

struct skep__job *skep__job_new(struct skep__queue *queue, const struct skep__submission *s, uint64_t now_ms) {
    struct skep__job *job = malloc(sizeof *job + s->size_bytes);
    if (job == NULL) return NULL;
    *job = (struct skep__job){.queue = queue,
                              .accepted_ms = now_ms,
                              .at_ms = s->delay_ms != 0 ? now_ms + s->delay_ms : 0,
                              .expires_ms = s->ttl_ms != 0 ? now_ms + s->ttl_ms : 0,
                              .number = s->number,
                              .client = s->client,
                              .size_bytes = (uint32_t)s->size_bytes,
                              .lease_ms = s->lease_ms,
                              .attempts = s->attempts,
                              .priority = s->priority,
                              .wants_outcome = s->wants_outcome};
    if (s->size_bytes > 0) memcpy(job->data, s->data, s->size_bytes);
    return job;
}

struct skep__job *skep__job_of_delay(const struct skep__heap_node *node) {
    return SKEP_CONTAINER(node, struct skep__job, delay_node);
}

struct skep__job *skep__job_of_expiry(const struct skep__heap_node *node) {
    return SKEP_CONTAINER(node, struct skep__job, expiry_node);
}

bool skep__job_is_due_before(const struct skep__heap_node *a, const struct skep__heap_node *b) {
    const struct skep__job *first = skep__job_of_delay(a), *second = skep__job_of_delay(b);
    return first->at_ms != second->at_ms ? first->at_ms < second->at_ms : first->id < second->id;
}

bool skep__job_expires_before(const struct skep__heap_node *a, const struct skep__heap_node *b) {
    const struct skep__job *first = skep__job_of_expiry(a), *second = skep__job_of_expiry(b);
    return first->expires_ms != second->expires_ms ? first->expires_ms < second->expires_ms : first->id < second->id;
}
