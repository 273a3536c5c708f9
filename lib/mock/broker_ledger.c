/* SPDX-License-Identifier: MIT
 * What becomes of a mock broker's jobs: by answers, and by a clock that the test moves. */
#include <inttypes.h>

#include "common/text.h"
#include "mock/broker.h"
#include "page_claims.h"

enum { SETTLE_MS = 1000 /* of the real clock: for workers to begin what they were given before time passes */ };

static const struct skep_bytes nothing = {0};

/* --- answers --- */

static void answered(struct skep__mock_worker *worker, enum skep__mock_what what, uint64_t job, int64_t value,
                     struct skep_bytes reason, struct skep_bytes result) {
    struct skep__mock_event event = {
        .what = what, .worker = worker->id, .number = job, .value = value, .text = reason, .data = result};
    skep__mock_happened(worker->mock, &event);
}

/* A live delivery whose job the worker has not lost; NULL: the answer is refused. */
static struct skep__mock_delivery *find_live(struct skep__mock_worker *worker, uint64_t number) {
    struct skep__mock_delivery *delivery;
    HASH_FIND(hh, worker->deliveries, &number, sizeof number, delivery);
    if (delivery != NULL && delivery->live) return delivery;
    if (delivery != NULL) delivery->job->queue->refused++;
    answered(worker, SKEP__MOCK_REFUSED, delivery != NULL ? delivery->job->id : 0, -1, nothing, nothing);
    return NULL;
}

/* The job of a delivery that is answered; NULL if it was taken back. undone: it was not begun. */
static struct skep__mock_job *settle(struct skep__mock_worker *worker, uint64_t number, bool undone) {
    struct skep__mock_delivery *delivery = find_live(worker, number);
    struct skep__mock_job *job = delivery != NULL ? delivery->job : NULL;
    if (job != NULL) (undone ? skep__mock_undo : skep__mock_let_go)(worker, delivery);
    HASH_FIND(hh, worker->deliveries, &number, sizeof number, delivery);
    if (delivery == NULL) return NULL;
    skep__mock_forget(worker, delivery);
    worker->stalled = false;
    return job;
}

void skep__mock_completed(struct skep__mock_worker *worker, const struct skep_command_completed *c) {
    uint64_t n = SKEP_HAS(completed, c, n) ? c->n : 1;
    bool listed = SKEP_HAS(completed, c, results);
    for (uint64_t i = 0; i < n && i < worker->last_delivery; i++) {
        struct skep__mock_job *job = settle(worker, c->delivery + i, false);
        struct skep_bytes result = {0};
        if (listed && i < c->results.count) result = skep__list_at(&c->results, (uint32_t)i);
        if (job == NULL) continue;
        skep__mock_end_done(worker->mock, job, result);
        answered(worker, SKEP__MOCK_DONE, job->id, -1, nothing,
                 result.data != NULL ? result : (struct skep_bytes){"", 0});
    }
}

/* Twice as long after each failure. */
static uint64_t backoff_ms(const struct skep__mock_job *job) {
    const skep_queue_options *options = &job->queue->options;
    uint64_t delay_ms = options->backoff_ms;
    for (unsigned i = 1; i < job->failures && delay_ms < options->backoff_max_ms; i++) delay_ms *= 2;
    return delay_ms < options->backoff_max_ms ? delay_ms : options->backoff_max_ms;
}

/* It has failed with a worker, which had let go of it. */
static void put_off(skep_mock *mock, struct skep__mock_job *job, uint64_t delay_ms, struct skep_bytes reason) {
    job->failures++;
    job->expiry_ms = UINT64_MAX;
    if (delay_ms == 0) delay_ms = backoff_ms(job);
    skep__mock_set_reason(job, reason);
    job->state = SKEP_MOCK_DELAYED;
    job->at_ms = mock->now_ms + delay_ms;
    if (job->failures >= job->attempts) skep__mock_end_dead(mock, job, "attempts", reason);
    else if (delay_ms == 0) skep__mock_make_ready(mock, job, false);
}

void skep__mock_retry(struct skep__mock_worker *worker, const struct skep_command_retry *r) {
    struct skep__mock_job *job = settle(worker, r->delivery, false);
    struct skep_bytes reason = SKEP_HAS(retry, r, reason) ? r->reason : skep__text("");
    if (job == NULL) return;
    put_off(worker->mock, job, r->delay_ms, reason);
    answered(worker, SKEP__MOCK_RETRIED, job->id, (int64_t)r->delay_ms, reason, nothing);
}

void skep__mock_fail(struct skep__mock_worker *worker, const struct skep_command_fail *f) {
    struct skep__mock_job *job = settle(worker, f->delivery, false);
    struct skep_bytes reason = SKEP_HAS(fail, f, reason) ? f->reason : skep__text("");
    if (job == NULL) return;
    skep__mock_end_dead(worker->mock, job, "refused", reason);
    answered(worker, SKEP__MOCK_FAILED, job->id, -1, reason, nothing);
}

/* The last first, since each goes before the others. */
void skep__mock_released(struct skep__mock_worker *worker, const struct skep_command_released *r) {
    uint64_t n = SKEP_HAS(released, r, n) ? r->n : 1;
    if (n > worker->last_delivery) n = worker->last_delivery;
    for (; n > 0; n--) {
        struct skep__mock_job *job = settle(worker, r->delivery + n - 1, true);
        if (job == NULL) continue;
        skep__mock_make_ready(worker->mock, job, true);
        answered(worker, SKEP__MOCK_RELEASED, job->id, -1, nothing, nothing);
    }
}

void skep__mock_extend(struct skep__mock_worker *worker, const struct skep_command_extend *e) {
    const struct skep__mock_delivery *delivery = find_live(worker, e->delivery);
    if (delivery == NULL) return;
    delivery->job->at_ms = worker->mock->now_ms;
    answered(worker, SKEP__MOCK_EXTENDED, delivery->job->id, -1, nothing, nothing);
}

/* --- what falls due --- */

/* The worker gets no more jobs until it answers something, unless nobody else handles them. */
static void end_lease(skep_mock *mock, struct skep__mock_job *job) {
    struct skep__mock_worker *worker = skep__mock_worker(mock, job->worker);
    skep__mock_note(mock, "the lease of job %" PRIu64 " ends, which worker %u has", job->id, worker->id);
    skep__mock_let_go(worker, job->delivery);
    worker->stalled = true;
    put_off(mock, job, 0, skep__text("its lease ended"));
    skep__mock_take_back_all(worker);
}

static uint64_t due_of(const skep_mock *mock, const struct skep__mock_job *job) {
    uint64_t due_ms = UINT64_MAX;
    if (job->state == SKEP_MOCK_DONE || job->state == SKEP_MOCK_DEAD) return UINT64_MAX;
    if (job->state == SKEP_MOCK_RESERVED && job->begun) return job->at_ms + skep__mock_lease_ms(mock, job);
    if (job->state == SKEP_MOCK_DELAYED) due_ms = job->at_ms;
    return due_ms < job->expiry_ms ? due_ms : job->expiry_ms;
}

static void expire(skep_mock *mock, struct skep__mock_job *job) {
    if (job->state == SKEP_MOCK_RESERVED) {
        struct skep__mock_worker *worker = skep__mock_worker(mock, job->worker);
        if (!skep__mock_take_back(worker, job->delivery)) {
            job->expiry_ms = UINT64_MAX;
            return;
        }
    }
    if (job->state == SKEP_MOCK_READY) TAILQ_REMOVE(&mock->ready, job, ready_entry);
    skep__mock_end_dead(mock, job, "expired", skep__text(""));
}

static void fall_due(skep_mock *mock, struct skep__mock_job *job) {
    if (job->state == SKEP_MOCK_RESERVED && job->begun) end_lease(mock, job);
    else if (job->expiry_ms <= mock->now_ms) expire(mock, job);
    else skep__mock_make_ready(mock, job, false);
}

static uint64_t next_due(const skep_mock *mock, struct skep__mock_job **job) {
    uint64_t earliest_ms = UINT64_MAX;
    for (struct skep__mock_job *j = mock->jobs; j != NULL; j = j->hh.next)
        if (due_of(mock, j) < earliest_ms) earliest_ms = due_of(mock, j), *job = j;
    return earliest_ms;
}

/* --- the clock --- */

/* What is begun while the clock moves is begun when it stands again. */
static void note_begun(const skep_mock *mock) {
    const struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry)
    for (struct skep__mock_delivery *d = w->deliveries; d != NULL; d = d->hh.next)
        if (d->live) d->job->begun = skep__mock_is_begun(w, d);
}

static void move(skep_mock *mock, uint64_t now_ms) {
    mock->now_ms = now_ms;
    for (struct skep__mock_job *j = mock->jobs; j != NULL; j = j->hh.next)
        if (j->state == SKEP_MOCK_RESERVED && !j->begun) j->at_ms = now_ms;
}

void skep_mock_advance(skep_mock *mock, uint64_t duration_ms) {
    uint64_t end_ms = mock->now_ms + duration_ms;
    if (skep__mock_run(mock, skep__mock_all_begun, mock, SETTLE_MS) != SKEP_OK)
        skep__mock_note(mock, "time passes, though a worker has not begun what it was given");
    note_begun(mock);
    for (;;) {
        struct skep__mock_job *job = NULL;
        uint64_t job_ms = next_due(mock, &job), start_ms = skep__mock_next_start(mock);
        uint64_t due_ms = job_ms < start_ms ? job_ms : start_ms;
        if (due_ms > end_ms || due_ms == UINT64_MAX) break;
        mock->now_ms = due_ms;
        if (job_ms == due_ms) fall_due(mock, job);
        else skep__mock_start_due(mock);
    }
    move(mock, end_ms);
}

uint64_t skep_mock_now(const skep_mock *mock) {
    return mock->now_ms;
}
