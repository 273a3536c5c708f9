/* SPDX-License-Identifier: MIT
 * A job in memory: what it is made of and what it costs. */
#ifndef SKEP_JOBS_STORE_JOB_H
#define SKEP_JOBS_STORE_JOB_H

#include "jobs/store.h"

/* A copy of what is submitted, in no state yet; NULL: no memory. Free with free. */
struct skep__job *skep__job_new(struct skep__queue *queue, const struct skep__submission *submission, uint64_t now_ms);

/* Memory of a job with a payload of so many bytes. */
size_t skep__job_cost(size_t size_bytes);

#endif
