/* SPDX-License-Identifier: MIT
 * When a worker began a job, and so when its lease ends. A lease begins when the job does, which the worker's page
 * tells; a worker that keeps none begins a job when it is sent it, as far as the broker knows. */
#include "jobs/private.h"
#include "page_claims.h"

/* The claim of a straggler is another delivery's by now. */
bool skep__is_begun(const struct skep__holder *holder, uint64_t delivery) {
    return skep__deliveries_is_straggler(&holder->deliveries, delivery) || skep__claim_is_begun(holder->page, delivery);
}

uint32_t skep__lease_ms(const struct skep__jobs *jobs, const struct skep__job *job) {
    if (job->lease_ms != 0) return job->lease_ms;
    return job->queue->options.lease_ms != 0 ? job->queue->options.lease_ms : jobs->settings->lease_ms;
}

static uint64_t later(uint64_t a_ms, uint64_t b_ms) {
    return a_ms > b_ms ? a_ms : b_ms;
}

/* When it was begun, extended, or at the latest delivered; now if it was not begun yet. A claim knows nothing of a time
 * in which the broker stood still, and the worker perhaps, too: the lease begins again then. */
static uint64_t since_ms(const struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms) {
    if (!skep__is_begun(holder, job->delivery)) return now_ms;
    if (job->timed || skep__deliveries_is_straggler(&holder->deliveries, job->delivery)) return job->at_ms;
    uint32_t age_ms = skep__claim_age_ms(holder->page, job->delivery, uv_hrtime() / 1000000);
    if (age_ms == UINT32_MAX) return job->at_ms;
    uint64_t begun_ms = skep__clock_ago_ms(holder->jobs->clock, age_ms);
    return later(job->at_ms, later(begun_ms, skep__clock_gap_ms(holder->jobs->clock)));
}

uint64_t skep__lease_end_ms(const struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms) {
    return since_ms(holder, job, now_ms) + skep__lease_ms(holder->jobs, job);
}

void skep__note_begun(const struct skep__holder *holder, struct skep__job *job, uint64_t now_ms) {
    job->at_ms = since_ms(holder, job, now_ms);
    job->timed = true;
}

void skep__jobs_note_begun(struct skep__jobs *jobs) {
    const uint64_t now_ms = skep__clock_ms(jobs->clock);
    struct skep__holder *holder;
    TAILQ_FOREACH(holder, &jobs->holders, entry)
    for (uint64_t n = 0; (n = skep__deliveries_after(&holder->deliveries, n)) != 0;) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        if (job != NULL && skep__is_begun(holder, n)) skep__note_begun(holder, job, now_ms);
    }
}
