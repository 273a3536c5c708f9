/* SPDX-License-Identifier: MIT
 * A ledger under test. Workers here are made up: their inboxes lead nowhere. */
#ifndef SKEP_TESTS_LEDGER_PLAIN_H
#define SKEP_TESTS_LEDGER_PLAIN_H

#include "broker/hatch.h"
#include "broker/ledger_put.h"
#include "common/text.h"

#include "clients/private.h"
#include "jobs/private.h"
#include "page_claims.h"

enum { LEASE_MS = 200 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    struct skep__queue *queue;
};

static inline void open_bench(struct bench *bench, struct pump *pump, const skep_settings *settings) {
    *bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, settings)};
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    if (later_is_wanted() && !later_is_installed(bench->cluster)) later_install(bench->cluster);
    bench->queue = skep__queues_get(bench->cluster->jobs->queues, "q", 1);
    assert_non_null(bench->queue);
}

static inline void open_plain(struct bench *bench, struct pump *pump) {
    open_bench(bench, pump, &(skep_settings){.attempts = 3, .deaths = 2});
}

static inline void close_bench(struct bench *bench) {
    hatch_free(bench->pump, &bench->cluster);
}

/* --- workers --- */

static inline skep_child *hire(struct bench *bench, uint32_t place, unsigned concurrency) {
    skep_child *child = hatch_child(bench->cluster, place);
    child->page = child->holder->page = hatch_page();
    struct skep__outlet_options options = {
        .hub = bench->cluster->hub, .flusher = bench->cluster->flusher, .kind = SKEP__PORT_PUSH};
    assert_int_equal(skep__outlet_new(&child->inbox, &options), SKEP_OK);
    skep__holder_set_inbox(child->holder, child->inbox);
    struct skep_command_handle handle = {.queue = skep__text("q")};
    SKEP_SET(handle, &handle, concurrency, concurrency);
    assert_int_equal(skep__jobs_handle(child->holder, &handle), SKEP_OK);
    return child;
}

static inline void dismiss(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    skep__jobs_worker_ended(child->holder);
    skep__outlet_free(&child->inbox);
    free(child->page);
    hatch_free_child(child);
    later_settle(cluster);
}

static inline struct skep__consumer *place_of(const skep_child *child) {
    return LIST_FIRST(&child->holder->consumers);
}

static inline uint64_t held(const skep_child *child) {
    return place_of(child)->held;
}

/* --- jobs --- */

static inline struct skep__submission plain(void) {
    return (struct skep__submission){.data = "job", .size_bytes = 3, .attempts = 3, .priority = 128};
}

static inline void submit(struct bench *bench, unsigned count) {
    struct skep__submission submission = plain();
    ledger_put_many(bench->cluster, bench->queue, &submission, count);
}

/* As the worker does. */
static inline void begin(skep_child *child, uint64_t delivery, uint64_t n) {
    for (; n > 0; n--) assert_true(skep__claim_begin(child->page, delivery++, uv_hrtime() / 1000000));
}

static inline void complete(skep_child *child, uint64_t delivery, uint64_t n) {
    struct skep_command_completed command = {.delivery = delivery};
    const char *why;
    SKEP_SET(completed, &command, n, n);
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
    later_settle(child->cluster);
    skep__jobs_dispatch_to(child->holder);
}

/* Quick jobs, one after the other, until the worker has had so many deliveries. */
static inline void run_past(struct bench *bench, skep_child *child, uint64_t deliveries) {
    while (child->holder->deliveries.next <= deliveries) {
        uint64_t number = child->holder->deliveries.next;
        submit(bench, 1);
        begin(child, number, 1);
        complete(child, number, 1);
    }
}

static inline void retry(skep_child *child, uint64_t delivery) {
    struct skep_command_retry command = {.delivery = delivery, .reason = skep__text("later")};
    skep__jobs_retried(child->holder, &command);
    later_settle(child->cluster);
    skep__jobs_dispatch_to(child->holder);
}

static inline void assert_counts(const struct bench *bench, uint64_t ready, uint64_t reserved, uint64_t dead,
                                 uint64_t done) {
    later_settle(bench->cluster);
    assert_int_equal(bench->queue->shelf->ready_count, ready);
    assert_int_equal(bench->queue->shelf->reserved_count, reserved);
    assert_int_equal(bench->queue->shelf->dead_count, dead);
    assert_int_equal(bench->queue->shelf->done, done);
}

static inline const struct skep__job *dead_letter(const struct bench *bench) {
    later_settle(bench->cluster);
    const struct skep__job *job =
        bench->cluster->jobs->store->kind->next(bench->cluster->jobs->store, bench->queue->shelf, SKEP__JOB_DEAD, NULL);
    assert_non_null(job);
    return job;
}

#endif
