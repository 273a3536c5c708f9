/* SPDX-License-Identifier: MIT
 * Leases: how long a worker may work on a job. A lease begins when the job does, which the worker's page tells; a
 * worker that keeps none begins a job when it is sent it, as far as the broker knows. */
#include <inttypes.h>

#include "base/clock.h"
#include "common/container.h"
#include "jobs/deliveries.h"
#include "jobs/events.h"
#include "jobs/ledger.h"
#include "journal/journal.h"
#include "page_claims.h"

static const char lease_ended[] = "its lease ended";

uint32_t skep__ledger_lease_ms(const skep_cluster *cluster, const struct skep__job *job) {
    if (job->lease_ms != 0) return job->lease_ms;
    return job->queue->options.lease_ms != 0 ? job->queue->options.lease_ms : cluster->settings.lease_ms;
}

static uint64_t later(uint64_t a_ms, uint64_t b_ms) {
    return a_ms > b_ms ? a_ms : b_ms;
}

/* When it was begun, extended, or at the latest delivered; now if it was not begun yet. A claim knows nothing of a time
 * in which the broker stood still, and the worker perhaps, too: the lease begins again then. */
static uint64_t since_ms(const skep_child *child, const struct skep__job *job, uint64_t now_ms) {
    if (!skep__is_begun(child, job->delivery)) return now_ms;
    if (skep__deliveries_is_straggler(&child->deliveries, job->delivery)) return job->at_ms;
    uint32_t age_ms = skep__claim_age_ms(child->page, job->delivery, uv_hrtime() / 1000000);
    if (age_ms == UINT32_MAX) return job->at_ms;
    uint64_t begun_ms = age_ms < now_ms ? now_ms - age_ms : 0;
    return later(job->at_ms, later(begun_ms, skep__clock_gap_ms(child->cluster->clock)));
}

uint64_t skep__ledger_lease_end_ms(const skep_child *child, const struct skep__job *job, uint64_t now_ms) {
    return since_ms(child, job, now_ms) + skep__ledger_lease_ms(child->cluster, job);
}

/* The worker gets no more jobs until it answers. */
static void stall(skep_child *child, const struct skep__job *job) {
    child->stalled = true;
    if (child->silent_since_ms != 0) return;
    child->silent_since_ms = skep__clock_ms(child->cluster->clock);
    skep__emit_error(child->cluster, child,
                     "queue %s: the lease of job %" PRIu64
                     " (%.3g s) ended without an answer; no more jobs until it answers",
                     job->queue->name, job->id, skep__ledger_lease_ms(child->cluster, job) / 1000.0);
}

/* A worker that is silent since an earlier lease may have begun this job or not, unless its page tells. */
static bool was_surely_begun(const skep_child *child) {
    return child->silent_since_ms == 0 || skep__claims_tell(child->page);
}

/* A late answer is known for what it is. */
static void end_lease(skep_child *child, struct skep__job *job, bool counts) {
    static const struct skep_bytes reason = {lease_ended, sizeof lease_ended - 1};
    skep_cluster *cluster = child->cluster;
    struct skep__exit_record record = skep__ledger_held_by(child);
    skep__deliveries_take(&child->deliveries, job->delivery);
    skep__trace(cluster->trace, SKEP__TRACE_LEDGER, "job %" PRIu64 ": worker %u had its lease", job->id, child->id);
    skep__consumer_let_go(job);
    stall(child, job);
    if (counts) skep__ledger_put_off(cluster, job, 0, &reason, &record);
    else skep__ledger_try_later(cluster, job);
}

/* What a look at a worker's deliveries finds */
struct view {
    uint64_t next_ms; /* when the next lease may end; UINT64_MAX: there is none */
    bool works;       /* on a job whose lease has not ended */
    bool waits;       /* something has waited for a lease, and has not begun */
};

/* Ends the leases that have passed. */
static struct view end_leases(skep_child *child, uint64_t now_ms) {
    struct view view = {.next_ms = UINT64_MAX};
    const bool counts = was_surely_begun(child);
    uint64_t next;
    for (uint64_t n = skep__deliveries_after(&child->deliveries, 0); n != 0; n = next) {
        struct skep__job *job = skep__deliveries_find(&child->deliveries, n)->job;
        next = skep__deliveries_after(&child->deliveries, n);
        if (job == NULL) continue;
        uint64_t end_ms = skep__ledger_lease_end_ms(child, job, now_ms);
        bool begun = skep__is_begun(child, n);
        if (end_ms <= now_ms) end_lease(child, job, counts);
        else if (end_ms < view.next_ms) view.next_ms = end_ms;
        view.works = view.works || (begun && end_ms > now_ms);
        view.waits = view.waits || (!begun && job->at_ms + skep__ledger_lease_ms(child->cluster, job) <= now_ms);
    }
    return view;
}

void skep__ledger_note_begun(const skep_child *child, struct skep__job *job, uint64_t now_ms) {
    job->at_ms = since_ms(child, job, now_ms);
}

static void look(struct skep__alarm *alarm);

static void look_after(skep_child *child, uint64_t delay_ms) {
    int status = skep__alarm_set(child->cluster->clock, &child->lease_alarm, delay_ms, look);
    if (status != SKEP_OK) skep__emit_error(child->cluster, child, "leases: %s", skep_strerror(status));
}

static void look(struct skep__alarm *alarm) {
    skep_child *child = SKEP_CONTAINER(alarm, skep_child, lease_alarm);
    uint64_t now_ms = skep__clock_ms(child->cluster->clock);
    struct view view = end_leases(child, now_ms);
    if (view.next_ms != UINT64_MAX) look_after(child, view.next_ms - now_ms);
    if (!child->stalled && (view.works || !view.waits)) return; /* what waits for nothing was lost on its way */
    skep__take_back_all(child);
    skep__dispatch_child(child);
    child->cluster->job_events->settled(child->cluster);
}

void skep__ledger_watch_lease(skep_child *child, const struct skep__job *job, uint64_t now_ms) {
    uint32_t lease_ms = skep__ledger_lease_ms(child->cluster, job);
    if (!skep__alarm_is_set(&child->lease_alarm) || now_ms + lease_ms < child->lease_alarm.due_ms)
        look_after(child, lease_ms);
}
