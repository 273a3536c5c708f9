/* SPDX-License-Identifier: MIT
 * Single jobs, for a test that looks at them, or ends them itself. */
#include "jobs/private.h"

uint64_t skep__job_due_ms(const struct skep__jobs *jobs, const struct skep__job *job) {
    if (job->state == SKEP__JOB_DELAYED) return job->at_ms;
    if (job->state != SKEP__JOB_RESERVED) return 0;
    return skep__lease_end_ms(job->consumer->holder, job, skep__clock_ms(jobs->clock));
}

void *skep__job_worker(const struct skep__job *job) {
    return job->state == SKEP__JOB_RESERVED ? job->consumer->holder->worker : NULL;
}

static bool waits(const struct skep__job *job) {
    return job->state == SKEP__JOB_READY || job->state == SKEP__JOB_DELAYED;
}

int skep__job_finish(struct skep__jobs *jobs, struct skep__job *job, const struct skep_bytes *result) {
    if (!waits(job)) return SKEP_ESTATE;
    jobs->store->kind->ack(jobs->store, job, result, skep__clock_ms(jobs->clock));
    return SKEP_OK;
}

int skep__job_give_up(struct skep__jobs *jobs, struct skep__job *job, const char *cause,
                      const struct skep_bytes *reason) {
    if (!waits(job)) return SKEP_ESTATE;
    skep__ledger_bury(jobs, job, cause, reason, NULL);
    return SKEP_OK;
}
