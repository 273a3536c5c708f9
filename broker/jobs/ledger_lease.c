/* SPDX-License-Identifier: MIT
 * Leases that end: the job is tried again, and the worker gets no more until it answers. */
#include <inttypes.h>

#include "common/container.h"
#include "jobs/private.h"
#include "page_claims.h"

static const char lease_ended[] = "its lease ended";

/* The worker gets no more jobs until it answers. */
static void stall(struct skep__holder *holder, const struct skep__job *job) {
    holder->stalled = true;
    if (holder->silent_since_ms != 0) return;
    holder->silent_since_ms = skep__clock_ms(holder->jobs->clock);
    skep__jobs_say(holder->jobs, holder,
                   "queue %s: the lease of job %" PRIu64
                   " (%.3g s) ended without an answer; no more jobs until it answers",
                   job->queue->name, job->id, skep__lease_ms(holder->jobs, job) / 1000.0);
}

/* A worker that is silent since an earlier lease may have begun this job or not, unless its page tells. */
static bool was_surely_begun(const struct skep__holder *holder) {
    return holder->silent_since_ms == 0 || skep__claims_tell(holder->page);
}

/* A late answer is known for what it is. */
static void end_lease(struct skep__holder *holder, struct skep__job *job, bool counts) {
    static const struct skep_bytes reason = {lease_ended, sizeof lease_ended - 1};
    struct skep__jobs *jobs = holder->jobs;
    struct skep__exit_record record = skep__ledger_held_by(holder);
    skep__deliveries_take(&holder->deliveries, job->delivery);
    skep__trace(jobs->trace, SKEP__TRACE_LEDGER, "job %" PRIu64 ": worker %u had its lease", job->id, holder->id);
    skep__consumer_let_go(job);
    stall(holder, job);
    if (counts) skep__ledger_put_off(jobs, job, 0, &reason, &record);
    else skep__ledger_try_later(jobs, job);
}

/* What a look at a worker's deliveries finds */
struct view {
    uint64_t next_ms; /* when the next lease may end; UINT64_MAX: there is none */
    bool works;       /* on a job whose lease has not ended */
    bool waits;       /* something has waited for a lease, and has not begun */
};

/* Ends the leases that have passed. */
static struct view end_leases(struct skep__holder *holder, uint64_t now_ms) {
    struct view view = {.next_ms = UINT64_MAX};
    const bool counts = was_surely_begun(holder);
    uint64_t next;
    for (uint64_t n = skep__deliveries_after(&holder->deliveries, 0); n != 0; n = next) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        next = skep__deliveries_after(&holder->deliveries, n);
        if (job == NULL) continue;
        uint64_t end_ms = skep__lease_end_ms(holder, job, now_ms);
        bool begun = skep__is_begun(holder, n);
        if (end_ms <= now_ms) end_lease(holder, job, counts);
        else if (end_ms < view.next_ms) view.next_ms = end_ms;
        view.works = view.works || (begun && end_ms > now_ms);
        view.waits = view.waits || (!begun && job->at_ms + skep__lease_ms(holder->jobs, job) <= now_ms);
    }
    return view;
}

void skep__look_at_leases(struct skep__alarm *alarm) {
    struct skep__holder *holder = SKEP_CONTAINER(alarm, struct skep__holder, lease_alarm);
    uint64_t now_ms = skep__clock_ms(holder->jobs->clock);
    struct view view = end_leases(holder, now_ms);
    if (view.next_ms != UINT64_MAX) skep__lease_look_in(holder, view.next_ms - now_ms);
    if (!holder->stalled && (view.works || !view.waits)) return; /* what waits for nothing was lost on its way */
    skep__take_back_all(holder);
    skep__jobs_dispatch_to(holder);
    holder->jobs->events->settled(holder->jobs->context);
}
