/* SPDX-License-Identifier: MIT
 * A mock broker's jobs: ready, reserved, delayed, done or dead, by a clock that the test moves. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mock_broker.h"
#include "page_claims.h"

struct skep__mock_job *skep__mock_job(const skep_mock *mock, uint64_t id) {
    struct skep__mock_job *job;
    HASH_FIND(hh, mock->jobs, &id, sizeof id, job);
    return job;
}

/* --- ready --- */

static bool comes_before(const struct skep__mock_job *a, const struct skep__mock_job *b) {
    return a->priority != b->priority ? a->priority < b->priority : a->id < b->id;
}

/* A job that comes back takes its old place. */
static void make_ready(skep_mock *mock, struct skep__mock_job *job) {
    struct skep__mock_job *before = TAILQ_LAST(&mock->ready, skep__mock_ready);
    job->state = SKEP_MOCK_READY;
    while (before != NULL && comes_before(job, before)) before = TAILQ_PREV(before, skep__mock_ready, ready_entry);
    if (before != NULL) TAILQ_INSERT_AFTER(&mock->ready, before, job, ready_entry);
    else TAILQ_INSERT_HEAD(&mock->ready, job, ready_entry);
}

int skep_mock_submit(skep_mock *mock, const char *queue, const void *data, size_t size_bytes,
                     const skep_job_options *options, uint64_t *id) {
    static const skep_job_options defaults = {0};
    size_t queue_bytes = strlen(queue);
    if (options == NULL) options = &defaults;
    if (queue_bytes == 0 || queue_bytes > SKEP_MAX_NAME) return SKEP_EINVAL;
    if (size_bytes > SKEP_MAX_PAYLOAD) return SKEP_ETOOBIG;
    struct skep__mock_job *job = calloc(1, sizeof *job + size_bytes);
    if (job == NULL) return SKEP_ENOMEM;
    job->id = ++mock->last_job;
    memcpy(job->queue, queue, queue_bytes);
    if (size_bytes > 0) memcpy(job->data, data, size_bytes);
    job->size_bytes = size_bytes;
    job->priority = options->priority;
    job->lease_ms = options->lease_ms != 0 ? options->lease_ms : mock->options.lease_ms;
    job->attempts = options->attempts != 0 ? options->attempts : mock->options.attempts;
    job->expiry_ms = options->ttl_ms != 0 ? mock->now_ms + options->ttl_ms : UINT64_MAX;
    HASH_ADD(hh, mock->jobs, id, sizeof job->id, job);
    if (options->delay_ms != 0) job->state = SKEP_MOCK_DELAYED, job->due_ms = mock->now_ms + options->delay_ms;
    else make_ready(mock, job);
    if (id != NULL) *id = job->id;
    return SKEP_OK;
}

int skep_mock_look(const skep_mock *mock, uint64_t id, skep_mock_job *info) {
    const struct skep__mock_job *job = skep__mock_job(mock, id);
    if (job == NULL) return SKEP_ENOJOB;
    bool timed = job->state == SKEP_MOCK_RESERVED || job->state == SKEP_MOCK_DELAYED;
    *info = (skep_mock_job){.state = job->state,
                            .attempt = job->attempt,
                            .redelivered = job->redelivered,
                            .worker = job->worker,
                            .due_ms = timed ? job->due_ms : 0,
                            .result = job->result,
                            .size_bytes = job->result_bytes,
                            .reason = job->reason};
    return SKEP_OK;
}

/* --- delivering --- */

static bool handles(const struct skep__mock_worker *worker, const char *name) {
    const struct skep__mock_queue *queue;
    LIST_FOREACH(queue, &worker->queues, entry) if (strcmp(queue->name, name) == 0) return true;
    return false;
}

/* The one that has the least to do. */
static struct skep__mock_worker *choose(skep_mock *mock, const struct skep__mock_job *job) {
    struct skep__mock_worker *w, *best = NULL;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        bool can = w->ready && !w->draining && !w->left && w->live_deliveries < mock->options.credit;
        if (!can || !handles(w, job->queue)) continue;
        if (best == NULL || w->live_deliveries < best->live_deliveries) best = w;
    }
    return best;
}

static void send_batch(struct skep__mock_worker *worker) {
    struct skep__mock_batch *batch = &worker->batch;
    const struct skep__mock_job *first = batch->first;
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_command_jobs *j = &command.jobs;
    if (first == NULL) return;
    *j = (struct skep_command_jobs){.queue = {first->queue, strlen(first->queue)},
                                    .delivery = batch->delivery,
                                    .id = first->id,
                                    .lease_ms = first->lease_ms,
                                    .jobs = skep__list_of(&batch->items, batch->count)};
    if (first->attempt > 1) SKEP_SET(jobs, j, attempt, first->attempt);
    if (first->redelivered) SKEP_SET(jobs, j, redelivered, true);
    if (skep__mock_put(worker, &command) != SKEP_OK) skep__mock_note(worker->mock, "cannot send jobs");
    batch->first = NULL;
    batch->count = 0;
    skep__frame_clear(&batch->items);
}

static bool goes_with(const struct skep__mock_batch *batch, const struct skep__mock_job *job) {
    const struct skep__mock_job *first = batch->first;
    return first != NULL && strcmp(first->queue, job->queue) == 0 && job->id == first->id + batch->count &&
           job->lease_ms == first->lease_ms && job->attempt == first->attempt &&
           job->redelivered == first->redelivered && batch->count < SKEP_MAX_LIST &&
           batch->items.size_bytes + job->size_bytes < SKEP_FULL_FRAME;
}

static void reserve(struct skep__mock_worker *worker, struct skep__mock_job *job,
                    struct skep__mock_delivery *delivery) {
    skep_mock *mock = worker->mock;
    TAILQ_REMOVE(&mock->ready, job, ready_entry);
    job->state = SKEP_MOCK_RESERVED;
    job->worker = worker->id;
    job->attempt++;
    job->due_ms = mock->now_ms + job->lease_ms;
    job->delivery = delivery;
    delivery->number = ++worker->last_delivery;
    delivery->job = job->id;
    delivery->live = true;
    HASH_ADD(hh, worker->deliveries, number, sizeof delivery->number, delivery);
    worker->live_deliveries++;
}

static void deliver_to(struct skep__mock_worker *worker, struct skep__mock_job *job) {
    struct skep__mock_batch *batch = &worker->batch;
    struct skep__mock_delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) return;
    reserve(worker, job, delivery);
    if (!goes_with(batch, job)) send_batch(worker);
    if (skep__list_add(&batch->items, job->data, job->size_bytes) != SKEP_OK) return; /* its lease will end */
    if (batch->count++ > 0) return;
    batch->first = job;
    batch->delivery = delivery->number;
}

void skep__mock_deliver(skep_mock *mock) {
    struct skep__mock_job *job = TAILQ_FIRST(&mock->ready), *next;
    struct skep__mock_worker *w;
    for (; job != NULL; job = next) {
        next = TAILQ_NEXT(job, ready_entry);
        struct skep__mock_worker *worker = choose(mock, job);
        if (worker != NULL) deliver_to(worker, job);
    }
    TAILQ_FOREACH(w, &mock->workers, entry) send_batch(w);
}

/* --- answers --- */

static void forget(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery) {
    if (delivery->live) worker->live_deliveries--;
    HASH_DEL(worker->deliveries, delivery);
    free(delivery);
}

static void answered(struct skep__mock_worker *worker, enum skep__mock_what what, uint64_t job, int64_t value,
                     struct skep_bytes reason, struct skep_bytes result) {
    struct skep__mock_event event = {
        .what = what, .worker = worker->id, .number = job, .value = value, .text = reason, .data = result};
    skep__mock_happened(worker->mock, &event);
}

/* The job of a delivery, which stays its worker's only if it is extended; NULL if it was taken back. */
static struct skep__mock_job *settle(struct skep__mock_worker *worker, uint64_t number, bool extends) {
    static const struct skep_bytes none = {0};
    struct skep__mock_delivery *delivery;
    HASH_FIND(hh, worker->deliveries, &number, sizeof number, delivery);
    if (delivery == NULL) {
        answered(worker, SKEP__MOCK_REFUSED, 0, -1, none, none);
        return NULL;
    }
    uint64_t id = delivery->job;
    bool live = delivery->live;
    if (!live) answered(worker, SKEP__MOCK_REFUSED, id, -1, none, none);
    if (!live || !extends) forget(worker, delivery);
    return live ? skep__mock_job(worker->mock, id) : NULL;
}

static void set_result(struct skep__mock_job *job, struct skep_bytes result) {
    job->state = SKEP_MOCK_DONE;
    if (result.data == NULL) return;
    job->result = malloc(result.size_bytes + 1);
    if (job->result == NULL) return;
    memcpy(job->result, result.data, result.size_bytes);
    job->result[result.size_bytes] = '\0';
    job->result_bytes = result.size_bytes;
}

void skep__mock_completed(struct skep__mock_worker *worker, const struct skep_command_completed *c) {
    uint64_t n = SKEP_HAS(completed, c, n) ? c->n : 1;
    bool listed = SKEP_HAS(completed, c, results);
    for (uint64_t i = 0; i < n && i < worker->last_delivery; i++) {
        struct skep__mock_job *job = settle(worker, c->delivery + i, false);
        struct skep_bytes result = {0};
        if (listed && i < c->results.count) result = skep__list_at(&c->results, (uint32_t)i);
        if (job == NULL) continue;
        set_result(job, result);
        answered(worker, SKEP__MOCK_DONE, job->id, -1, (struct skep_bytes){0},
                 result.data != NULL ? result : (struct skep_bytes){"", 0});
    }
}

static void set_reason(struct skep__mock_job *job, struct skep_bytes reason) {
    memcpy(job->reason, reason.data, reason.size_bytes);
    job->reason[reason.size_bytes] = '\0';
}

static void die(struct skep__mock_job *job, const char *cause) {
    job->state = SKEP_MOCK_DEAD;
    job->cause = cause;
}

static void put_off(skep_mock *mock, struct skep__mock_job *job, uint64_t delay_ms) {
    job->state = SKEP_MOCK_DELAYED;
    job->due_ms = mock->now_ms + delay_ms;
    if (delay_ms == 0) make_ready(mock, job);
}

void skep__mock_retry(struct skep__mock_worker *worker, const struct skep_command_retry *r) {
    struct skep__mock_job *job = settle(worker, r->delivery, false);
    struct skep_bytes reason = SKEP_HAS(retry, r, reason) ? r->reason : (struct skep_bytes){"", 0};
    if (job == NULL) return;
    set_reason(job, reason);
    if (job->attempt >= job->attempts) die(job, "attempts");
    else put_off(worker->mock, job, r->delay_ms);
    answered(worker, SKEP__MOCK_RETRIED, job->id, (int64_t)r->delay_ms, reason, (struct skep_bytes){0});
}

void skep__mock_fail(struct skep__mock_worker *worker, const struct skep_command_fail *f) {
    struct skep__mock_job *job = settle(worker, f->delivery, false);
    struct skep_bytes reason = SKEP_HAS(fail, f, reason) ? f->reason : (struct skep_bytes){"", 0};
    if (job == NULL) return;
    set_reason(job, reason);
    die(job, "refused");
    answered(worker, SKEP__MOCK_FAILED, job->id, -1, reason, (struct skep_bytes){0});
}

void skep__mock_released(struct skep__mock_worker *worker, const struct skep_command_released *r) {
    uint64_t n = SKEP_HAS(released, r, n) ? r->n : 1;
    for (uint64_t i = 0; i < n && i < worker->last_delivery; i++) {
        struct skep__mock_job *job = settle(worker, r->delivery + i, false);
        if (job == NULL) continue;
        job->attempt--; /* it was not begun */
        make_ready(worker->mock, job);
        answered(worker, SKEP__MOCK_RELEASED, job->id, -1, (struct skep_bytes){0}, (struct skep_bytes){0});
    }
}

void skep__mock_extend(struct skep__mock_worker *worker, const struct skep_command_extend *e) {
    struct skep__mock_job *job = settle(worker, e->delivery, true);
    if (job == NULL) return;
    job->due_ms = worker->mock->now_ms + job->lease_ms;
    answered(worker, SKEP__MOCK_EXTENDED, job->id, -1, (struct skep_bytes){0}, (struct skep_bytes){0});
}

/* --- taking back --- */

static void take_back(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery, bool begun) {
    struct skep__mock_job *job = skep__mock_job(worker->mock, delivery->job);
    delivery->live = false;
    worker->live_deliveries--;
    if (begun) job->redelivered = true;
    else job->attempt--;
    make_ready(worker->mock, job);
}

/* The page tells which had been begun, if the worker keeps it. */
void skep__mock_take_back(struct skep__mock_worker *worker) {
    struct skep__mock_delivery *delivery, *next;
    HASH_ITER(hh, worker->deliveries, delivery, next)
    if (delivery->live) take_back(worker, delivery, skep__claim_is_begun(worker->page, delivery->number));
}

static void lease_ended(skep_mock *mock, struct skep__mock_job *job) {
    struct skep__mock_worker *worker = skep__mock_worker(mock, job->worker);
    skep__mock_note(mock, "the lease of job %" PRIu64 " ends, which worker %u has", job->id, worker->id);
    take_back(worker, job->delivery, true);
}

/* --- the clock --- */

static uint64_t due_of(const struct skep__mock_job *job) {
    if (job->state == SKEP_MOCK_RESERVED) return job->due_ms;
    uint64_t expiry_ms = job->attempt == 0 ? job->expiry_ms : UINT64_MAX;
    if (job->state == SKEP_MOCK_READY) return expiry_ms;
    if (job->state == SKEP_MOCK_DELAYED) return job->due_ms < expiry_ms ? job->due_ms : expiry_ms;
    return UINT64_MAX;
}

static void fall_due(skep_mock *mock, struct skep__mock_job *job) {
    if (job->state == SKEP_MOCK_RESERVED) {
        lease_ended(mock, job);
    } else if (job->attempt == 0 && job->expiry_ms <= mock->now_ms) {
        if (job->state == SKEP_MOCK_READY) TAILQ_REMOVE(&mock->ready, job, ready_entry);
        die(job, "expired");
    } else {
        make_ready(mock, job);
    }
}

static uint64_t next_due(const skep_mock *mock, struct skep__mock_job **job) {
    uint64_t earliest_ms = UINT64_MAX;
    for (struct skep__mock_job *j = mock->jobs; j != NULL; j = j->hh.next)
        if (due_of(j) < earliest_ms) earliest_ms = due_of(j), *job = j;
    return earliest_ms;
}

void skep_mock_advance(skep_mock *mock, uint64_t duration_ms) {
    uint64_t end_ms = mock->now_ms + duration_ms;
    for (;;) {
        struct skep__mock_job *job = NULL;
        uint64_t job_ms = next_due(mock, &job), start_ms = skep__mock_next_start(mock);
        uint64_t due_ms = job_ms < start_ms ? job_ms : start_ms;
        if (due_ms > end_ms || due_ms == UINT64_MAX) break;
        mock->now_ms = due_ms;
        if (job_ms == due_ms) fall_due(mock, job);
        else skep__mock_start_due(mock);
    }
    mock->now_ms = end_ms;
}

uint64_t skep_mock_now(const skep_mock *mock) {
    return mock->now_ms;
}

void skep__mock_free_jobs(skep_mock *mock) {
    struct skep__mock_job *job = mock->jobs, *next;
    HASH_CLEAR(hh, mock->jobs);
    for (; job != NULL; job = next) {
        next = job->hh.next;
        free(job->result);
        free(job);
    }
}
