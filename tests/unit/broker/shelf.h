/* SPDX-License-Identifier: MIT
 * A store under test, with one queue. */
#ifndef SKEP_TESTS_SHELF_H
#define SKEP_TESTS_SHELF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* the four above come before */
#include <cmocka.h>

#include "broker/one_put.h"

enum { SHELF_DEDUP_MS = 1000 };

struct shelf {
    struct skep__store *store;
    const struct skep__store_kind *kind;
    struct skep__queues *queues;
    struct skep__queue *queue;
};

static inline void shelf_emptied(void *context, struct skep__shelf *shelf) {
    skep__queues_note(context, shelf->queue);
}

static inline void shelf_done(void *context, struct skep__job *job, const struct skep_bytes *result) {
    (void)context, (void)job, (void)result;
}

static inline void shelf_died(void *context, struct skep__job *job, const char *cause,
                              const struct skep_bytes *reason) {
    (void)context, (void)job, (void)cause, (void)reason;
}

static inline int store_put(struct skep__store *store, struct skep__queue *queue,
                            const struct skep__submission *submission, uint64_t now_ms, uint64_t *id) {
    struct one_put one;
    one_put_init(&one, submission);
    store->kind->put(store, queue->shelf, &one.batch, now_ms, &one.put);
    assert_int_equal(one.answers, 1);
    if (one.answer.status == SKEP_OK || one.answer.status == SKEP_EDUPLICATE) *id = one.answer.id;
    return one.answer.status;
}

/* The submitter of a copy waits for the outcome of the job that has its key. */
static inline int store_wait(struct skep__store *store, struct skep__queue *queue,
                             const struct skep__submission *submission, const char **cause) {
    struct skep__submission waits = *submission;
    struct one_put one;
    waits.wants_outcome = true;
    one_put_init(&one, &waits);
    store->kind->put(store, queue->shelf, &one.batch, 0, &one.put);
    assert_int_equal(one.answers, 1);
    if (one.answer.status != SKEP_EDUPLICATE) return one.answer.status;
    if (one.answer.waits) return SKEP_OK;
    *cause = one.answer.ended;
    return strcmp(*cause, "done") == 0 ? SKEP_ENOJOB : SKEP_EDEAD;
}

static inline void store_ack(struct skep__store *store, struct skep__job *job, uint64_t now_ms) {
    static const struct skep_bytes none = {0};
    store->kind->ack(store, job, &none, now_ms);
}

static inline void store_bury(struct skep__store *store, struct skep__job *job, const char *cause,
                              struct skep__death *death, uint64_t now_ms) {
    static const struct skep_bytes none = {0};
    store->kind->bury(store, job, cause, death, &none, now_ms);
}

static inline struct shelf shelf_of(const struct skep__store_limits *limits) {
    static const struct skep__store_events events = {.emptied = shelf_emptied, .done = shelf_done, .died = shelf_died};
    struct shelf shelf;
    assert_int_equal(skep__store_memory_new(&shelf.store, limits, &events, NULL), SKEP_OK);
    assert_int_equal(skep__queues_new(&shelf.queues, shelf.store), SKEP_OK);
    shelf.store->context = shelf.queues;
    shelf.kind = shelf.store->kind;
    return shelf;
}

static inline struct shelf shelf_open(uint64_t jobs, uint64_t bytes) {
    struct skep__store_limits limits = {
        .queue_jobs = jobs, .queue_bytes = bytes, .bytes = 2 * bytes, .dedup_ms = SHELF_DEDUP_MS};
    struct shelf shelf = shelf_of(&limits);
    shelf.queue = skep__queues_get(shelf.queues, "q", 1);
    assert_non_null(shelf.queue);
    return shelf;
}

static inline struct shelf shelf_open_large(void) {
    return shelf_open(1000, 1 << 20);
}

static inline void shelf_close(struct shelf *shelf) {
    shelf->kind->free(&shelf->store);
    assert_null(shelf->store);
    skep__queues_free(&shelf->queues);
}

static inline struct skep__submission shelf_plain(const char *data) {
    return (struct skep__submission){
        .data = data, .size_bytes = strlen(data), .attempts = 3, .priority = SKEP__PRIORITY_MIDDLE};
}

static inline uint64_t shelf_put(struct shelf *shelf, const struct skep__submission *submission, uint64_t now_ms) {
    uint64_t id = 0;
    assert_int_equal(store_put(shelf->store, shelf->queue, submission, now_ms, &id), SKEP_OK);
    return id;
}

/* Reserves the first and checks which it is. */
static inline struct skep__job *shelf_take(struct shelf *shelf, const char *data, uint64_t now_ms) {
    struct skep__job *job = shelf->kind->first(shelf->queue->shelf);
    assert_non_null(job);
    assert_int_equal(job->size_bytes, strlen(data));
    assert_memory_equal(job->data, data, job->size_bytes);
    shelf->kind->reserve(shelf->store, job, now_ms);
    job->attempt++;
    return job;
}

#endif
