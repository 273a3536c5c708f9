/* SPDX-License-Identifier: MIT
 * Which of a mock broker's workers gets a job, and which jobs are taken back from one. */
#include <stdlib.h>
#include <string.h>

#include "mock/broker.h"
#include "page_claims.h"

enum { WAIT_NS = 2000000 /* that a job has its chance where it was sent */ };

bool skep__mock_is_begun(const struct skep__mock_worker *worker, const struct skep__mock_delivery *delivery) {
    return delivery->outlasted || skep__claim_is_begun(worker->page, delivery->number);
}

/* --- who can take one --- */

static struct skep__mock_place *place_of(const struct skep__mock_worker *worker, const struct skep__mock_queue *queue) {
    struct skep__mock_place *place;
    LIST_FOREACH(place, &worker->places, entry) if (place->queue == queue) return place;
    return NULL;
}

static bool is_open(const struct skep__mock_worker *worker) {
    return worker->ready && !worker->draining && !worker->left && !worker->stalled;
}

/* One job waits while others are worked on, as with a real broker that does not know yet how quick a worker is. From a
 * worker that keeps no claims nothing can be taken back: it is sent nothing ahead. */
static unsigned window_of(const struct skep__mock_worker *worker, const struct skep__mock_place *place) {
    unsigned credit = place->queue->options.job_credit;
    if (credit == 0) credit = worker->mock->options.credit;
    return place->concurrency + (credit > place->concurrency && skep__claims_are_kept(worker->page));
}

/* It has jobs that it cannot begin at once. */
static bool is_ahead(const struct skep__mock_worker *worker, const struct skep__mock_place *place) {
    return place->held > 0 && worker->live_deliveries > place->concurrency;
}

static bool is_idle(const struct skep__mock_worker *worker, const struct skep__mock_place *place) {
    return is_open(worker) && place->held < place->concurrency && !is_ahead(worker, place);
}

/* One that can begin it, of these the one that has the least to do; else of the others. */
static struct skep__mock_worker *choose(const skep_mock *mock, const struct skep__mock_queue *queue) {
    struct skep__mock_worker *w, *best = NULL;
    bool best_idle = false;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        const struct skep__mock_place *place = place_of(w, queue);
        if (place == NULL || !is_open(w) || place->held >= window_of(w, place)) continue;
        bool idle = is_idle(w, place);
        if (best != NULL && (idle < best_idle || (idle == best_idle && w->live_deliveries >= best->live_deliveries)))
            continue;
        best = w;
        best_idle = idle;
    }
    return best;
}

/* If each worker of the queue has let a lease end, they get jobs all the same: these must end somewhere. */
static bool rouse(const skep_mock *mock, const struct skep__mock_queue *queue) {
    struct skep__mock_worker *w;
    bool any = false;
    TAILQ_FOREACH(w, &mock->workers, entry) if (place_of(w, queue) != NULL && is_open(w)) return false;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        if (place_of(w, queue) == NULL || !w->stalled) continue;
        w->stalled = false;
        any = true;
    }
    return any;
}

static bool may_give(const struct skep__mock_queue *queue) {
    return queue->options.concurrency == 0 || queue->reserved < queue->options.concurrency;
}

static struct skep__mock_worker *taker_of(const skep_mock *mock, const struct skep__mock_queue *queue) {
    if (!may_give(queue)) return NULL;
    struct skep__mock_worker *worker = choose(mock, queue);
    if (worker == NULL && rouse(mock, queue)) worker = choose(mock, queue);
    return worker;
}

/* --- sending --- */

static void send_batch(struct skep__mock_worker *worker) {
    struct skep__mock_batch *batch = &worker->batch;
    const struct skep__mock_job *first = batch->first;
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_command_jobs *j = &command.jobs;
    if (first == NULL) return;
    *j = (struct skep_command_jobs){.queue = {first->queue->name, strlen(first->queue->name)},
                                    .delivery = batch->delivery,
                                    .id = first->id,
                                    .lease_ms = skep__mock_lease_ms(worker->mock, first),
                                    .jobs = skep__list_of(&batch->items, batch->count)};
    if (first->attempt > 1) {
        SKEP_SET(jobs, j, attempt, first->attempt);
        SKEP_SET(jobs, j, redelivered, true);
    }
    if (skep__mock_put(worker, &command) != SKEP_OK) skep__mock_note(worker->mock, "cannot send jobs");
    batch->first = NULL;
    batch->count = 0;
    skep__frame_clear(&batch->items);
}

static bool goes_with(const struct skep__mock_batch *batch, const struct skep__mock_job *job) {
    const struct skep__mock_job *first = batch->first;
    return first != NULL && first->queue == job->queue && job->id == first->id + batch->count &&
           job->lease_ms == first->lease_ms && job->attempt == first->attempt && batch->count < SKEP_MAX_LIST &&
           batch->items.size_bytes + job->size_bytes < SKEP_FULL_FRAME;
}

/* The claim that the next number has may be that of a delivery which was not answered: if that has not begun, it is
 * given again later. */
static void free_claim(struct skep__mock_worker *worker) {
    struct skep__mock_delivery *delivery;
    uint64_t number = worker->last_delivery + 1 - SKEP_CLAIMS;
    if (worker->last_delivery < SKEP_CLAIMS || !skep__claims_are_kept(worker->page)) return;
    HASH_FIND(hh, worker->deliveries, &number, sizeof number, delivery);
    if (delivery == NULL || !delivery->live) return;
    struct skep__mock_job *job = delivery->job;
    if (skep__mock_take_back(worker, delivery)) skep__mock_make_ready(worker->mock, job, true);
    else delivery->outlasted = true;
}

/* NULL: there is no memory. */
static struct skep__mock_delivery *new_delivery(struct skep__mock_worker *worker, struct skep__mock_job *job) {
    struct skep__mock_delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) return NULL;
    delivery->number = worker->last_delivery + 1;
    delivery->job = job;
    delivery->place = place_of(worker, job->queue);
    delivery->sent_ns = uv_hrtime();
    delivery->live = true;
    HASH_ADD(hh, worker->deliveries, number, sizeof delivery->number, delivery);
    if (SKEP_IS_ADDED(delivery, hh)) return delivery;
    free(delivery);
    return NULL;
}

static void reserve(struct skep__mock_worker *worker, struct skep__mock_job *job,
                    struct skep__mock_delivery *delivery) {
    skep_mock *mock = worker->mock;
    struct skep__mock_place *place = delivery->place;
    TAILQ_REMOVE(&mock->ready, job, ready_entry);
    worker->last_delivery++;
    worker->live_deliveries++;
    place->held++;
    job->queue->reserved++;
    job->queue->redelivered += job->attempt > 0;
    job->state = SKEP_MOCK_RESERVED;
    job->worker = worker->id;
    job->delivery = delivery;
    job->attempt++;
    job->begun = false;
    job->at_ms = mock->now_ms;
}

static void deliver_to(struct skep__mock_worker *worker, struct skep__mock_job *job) {
    struct skep__mock_batch *batch = &worker->batch;
    free_claim(worker);
    struct skep__mock_delivery *delivery = new_delivery(worker, job);
    if (delivery == NULL) return;
    reserve(worker, job, delivery);
    if (!goes_with(batch, job)) send_batch(worker);
    if (skep__list_add(&batch->items, job->data, job->size_bytes) != SKEP_OK) return; /* its worker will end */
    if (batch->count++ > 0) return;
    batch->first = job;
    batch->delivery = delivery->number;
}

static void deliver(skep_mock *mock) {
    struct skep__mock_job *job = TAILQ_FIRST(&mock->ready), *next;
    struct skep__mock_worker *w;
    for (; job != NULL; job = next) {
        next = TAILQ_NEXT(job, ready_entry);
        struct skep__mock_worker *worker = taker_of(mock, job->queue);
        if (worker != NULL) deliver_to(worker, job);
    }
    TAILQ_FOREACH(w, &mock->workers, entry) send_batch(w);
}

/* --- taking back --- */

void skep__mock_let_go(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery) {
    delivery->live = false;
    delivery->place->held--;
    delivery->job->queue->reserved--;
    worker->live_deliveries--;
}

void skep__mock_undo(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery) {
    struct skep__mock_job *job = delivery->job;
    skep__mock_let_go(worker, delivery);
    job->queue->redelivered -= job->attempt > 1;
    job->attempt--;
}

void skep__mock_forget(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery) {
    HASH_DEL(worker->deliveries, delivery);
    free(delivery);
}

bool skep__mock_take_back(struct skep__mock_worker *worker, struct skep__mock_delivery *delivery) {
    struct skep__mock_job *job = delivery->job;
    if (delivery->outlasted || !skep__claim_take(worker->page, delivery->number)) return false;
    skep__mock_undo(worker, delivery);
    skep__mock_forget(worker, delivery);
    job->queue->taken_back++;
    return true;
}

static bool has_waited(const struct skep__mock_delivery *delivery) {
    return uv_hrtime() - delivery->sent_ns >= WAIT_NS;
}

/* Adds to a list by id what a worker has not begun of a queue, or (NULL) of all. */
static void haul(struct skep__mock_worker *worker, const struct skep__mock_queue *queue, struct skep__mock_jobs *list) {
    struct skep__mock_delivery *delivery, *next;
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is forgotten is in the table no more
    HASH_ITER(hh, worker->deliveries, delivery, next) {
        struct skep__mock_job *job = delivery->job, *before = TAILQ_LAST(list, skep__mock_jobs);
        if (!delivery->live || (queue != NULL && (job->queue != queue || !has_waited(delivery)))) continue;
        if (!skep__mock_take_back(worker, delivery)) continue;
        while (before != NULL && before->id > job->id) before = TAILQ_PREV(before, skep__mock_jobs, ready_entry);
        if (before != NULL) TAILQ_INSERT_AFTER(list, before, job, ready_entry);
        else TAILQ_INSERT_HEAD(list, job, ready_entry);
    }
}

/* The last first, since each goes before the others. */
static bool make_ready(skep_mock *mock, struct skep__mock_jobs *list) {
    bool any = !TAILQ_EMPTY(list);
    for (struct skep__mock_job *job; (job = TAILQ_LAST(list, skep__mock_jobs)) != NULL;) {
        TAILQ_REMOVE(list, job, ready_entry);
        skep__mock_make_ready(mock, job, true);
    }
    return any;
}

void skep__mock_take_back_all(struct skep__mock_worker *worker) {
    struct skep__mock_jobs list = TAILQ_HEAD_INITIALIZER(list);
    haul(worker, NULL, &list);
    make_ready(worker->mock, &list);
}

static bool has_idle(const skep_mock *mock, const struct skep__mock_queue *queue) {
    const struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) {
        const struct skep__mock_place *place = place_of(w, queue);
        if (place != NULL && is_idle(w, place)) return true;
    }
    return false;
}

/* Nothing that could be begun now waits behind another job. */
static bool balance(skep_mock *mock) {
    struct skep__mock_jobs list = TAILQ_HEAD_INITIALIZER(list);
    struct skep__mock_worker *w;
    const struct skep__mock_place *place;
    TAILQ_FOREACH(w, &mock->workers, entry)
    LIST_FOREACH(place, &w->places, entry)
    if (is_ahead(w, place) && has_idle(mock, place->queue)) haul(w, place->queue, &list);
    return make_ready(mock, &list);
}

void skep__mock_deliver(skep_mock *mock) {
    skep__mock_give_back_overdue(mock);
    deliver(mock);
    if (balance(mock)) deliver(mock);
}

/* --- beginning --- */

/* What it works on at a place, as far as the mock can know: jobs whose lease has ended, too. */
static unsigned count_begun(const struct skep__mock_worker *worker, const struct skep__mock_place *place) {
    unsigned count = 0;
    for (const struct skep__mock_delivery *d = worker->deliveries; d != NULL; d = d->hh.next)
        count += d->place == place && (!d->live || skep__mock_is_begun(worker, d));
    return count;
}

static bool has_begun(const struct skep__mock_worker *worker) {
    for (const struct skep__mock_delivery *d = worker->deliveries; d != NULL; d = d->hh.next)
        if (d->live && !skep__mock_is_begun(worker, d) && count_begun(worker, d->place) < d->place->concurrency)
            return false;
    return true;
}

bool skep__mock_all_begun(void *context) {
    const skep_mock *mock = context;
    const struct skep__mock_worker *w;
    TAILQ_FOREACH(w, &mock->workers, entry) if (!w->left && !has_begun(w)) return false;
    return true;
}
