/* SPDX-License-Identifier: MIT
 * A job in memory: what it is made of, what it costs, and where it stands in heaps. */
#ifndef SKEP_JOBS_STORE_JOB_H
#define SKEP_JOBS_STORE_JOB_H

#include "jobs/store.h"

enum { SKEP__MALLOC_BYTES = 16 /* what an allocation costs besides its size */ };

/* A copy of what is submitted, in no state yet; NULL: no memory. Free with free. */
struct skep__job *skep__job_new(struct skep__queue *queue, const struct skep__submission *submission, uint64_t now_ms);

/* Memory of a job with a payload of so many bytes. */
size_t skep__job_cost(size_t size_bytes);

/* The job of a node in a heap of delays or of expiries. */
struct skep__job *skep__job_of_delay(const struct skep__heap_node *node);
struct skep__job *skep__job_of_expiry(const struct skep__heap_node *node);

/* The orders of these heaps. Those of the same time stand in the order of acceptance: a heap alone would keep none. */
bool skep__job_is_due_before(const struct skep__heap_node *a, const struct skep__heap_node *b);
bool skep__job_expires_before(const struct skep__heap_node *a, const struct skep__heap_node *b);

#endif
