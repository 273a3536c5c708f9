/* SPDX-License-Identifier: MIT
 * Leases: how long a worker may work on a job. A lease begins when the job does, which the worker's page tells; a
 * worker that keeps none begins a job when it is sent it, as far as the broker knows. */
#include <inttypes.h>

#include "common/container.h"
#include "jobs/private.h"
#include "page_claims.h"

static const char lease_ended[] = "its lease ended";

uint32_t skep__ledger_lease_ms(const struct skep__jobs *jobs, const struct skep__job *job) {
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

uint64_t skep__ledger_lease_end_ms(const struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms) {
    return since_ms(holder, job, now_ms) + skep__ledger_lease_ms(holder->jobs, job);
}

/* The worker gets no more jobs until it answers. */
static void stall(struct skep__holder *holder, const struct skep__job *job) {
    holder->stalled = true;
    if (holder->silent_since_ms != 0) return;
    holder->silent_since_ms = skep__clock_ms(holder->jobs->clock);
    skep__jobs_say(holder->jobs, holder,
                   "queue %s: the lease of job %" PRIu64
                   " (%.3g s) ended without an answer; no more jobs until it answers",
                   job->queue->name, job->id, skep__ledger_lease_ms(holder->jobs, job) / 1000.0);
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
        uint64_t end_ms = skep__ledger_lease_end_ms(holder, job, now_ms);
        bool begun = skep__is_begun(holder, n);
        if (end_ms <= now_ms) end_lease(holder, job, counts);
        else if (end_ms < view.next_ms) view.next_ms = end_ms;
        view.works = view.works || (begun && end_ms > now_ms);
        view.waits = view.waits || (!begun && job->at_ms + skep__ledger_lease_ms(holder->jobs, job) <= now_ms);
    }
    return view;
}

void skep__ledger_note_begun(const struct skep__holder *holder, struct skep__job *job, uint64_t now_ms) {
    job->at_ms = since_ms(holder, job, now_ms);
    job->timed = true;
}

void skep__jobs_note_begun(struct skep__jobs *jobs) {
    const uint64_t now_ms = skep__clock_ms(jobs->clock);
    struct skep__holder *holder;
    TAILQ_FOREACH(holder, &jobs->holders, entry)
    for (uint64_t n = 0; (n = skep__deliveries_after(&holder->deliveries, n)) != 0;) {
        struct skep__job *job = skep__deliveries_find(&holder->deliveries, n)->job;
        if (job != NULL && skep__is_begun(holder, n)) skep__ledger_note_begun(holder, job, now_ms);
    }
}

static void look(struct skep__alarm *alarm);

static void look_after(struct skep__holder *holder, uint64_t delay_ms) {
    int status = skep__alarm_set(holder->jobs->clock, &holder->lease_alarm, delay_ms, look);
    if (status != SKEP_OK) skep__jobs_say(holder->jobs, holder, "leases: %s", skep_strerror(status));
}

static void look(struct skep__alarm *alarm) {
    struct skep__holder *holder = SKEP_CONTAINER(alarm, struct skep__holder, lease_alarm);
    uint64_t now_ms = skep__clock_ms(holder->jobs->clock);
    struct view view = end_leases(holder, now_ms);
    if (view.next_ms != UINT64_MAX) look_after(holder, view.next_ms - now_ms);
    if (!holder->stalled && (view.works || !view.waits)) return; /* what waits for nothing was lost on its way */
    skep__take_back_all(holder);
    skep__jobs_dispatch_to(holder);
    holder->jobs->events->settled(holder->jobs->context);
}

void skep__ledger_watch_lease(struct skep__holder *holder, const struct skep__job *job, uint64_t now_ms) {
    uint32_t lease_ms = skep__ledger_lease_ms(holder->jobs, job);
    if (!skep__alarm_is_set(&holder->lease_alarm) || now_ms + lease_ms < holder->lease_alarm.due_ms)
        look_after(holder, lease_ms);
}
