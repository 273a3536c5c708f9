/* SPDX-License-Identifier: MIT
 * A ledger under test: a real broker, one queue, made-up workers whose inboxes a test can read. */
#ifndef SKEP_TESTS_LEDGER_BENCH_H
#define SKEP_TESTS_LEDGER_BENCH_H

#include "broker/hatch.h"
#include "broker/ledger_put.h"
#include "common/text.h"

#include "clients/private.h"
#include "hive/private.h"
#include "jobs/private.h"
#include "page_claims.h"

enum { BENCH_RUNS = 4096 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    struct skep__queue *queue;
};

static inline void bench_open(struct bench *bench, struct pump *pump, const skep_settings *settings) {
    *bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, settings)};
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    if (later_is_wanted() && !later_is_installed(bench->cluster)) later_install(bench->cluster);
    bench->queue = skep__queues_get(bench->cluster->jobs->queues, "q", 1);
    assert_non_null(bench->queue);
}

static inline void bench_close(struct bench *bench) {
    hatch_free(bench->pump, &bench->cluster);
}

/* --- workers --- */

static inline void bench_handle(skep_child *child, const char *queue, unsigned concurrency) {
    struct skep_command_handle handle = {.queue = skep__text(queue)};
    SKEP_SET(handle, &handle, concurrency, concurrency);
    assert_int_equal(skep__jobs_handle(child->holder, &handle), SKEP_OK);
}

static inline void bench_inbox_url(const struct bench *bench, uint32_t place, char url[80]) {
    snprintf(url, 80, "ipc://%s/made-up.%u", bench->pump->dir, place);
}

static inline skep_child *bench_hire(struct bench *bench, uint32_t place, unsigned concurrency) {
    char url[80];
    skep_child *child = hatch_child(bench->cluster, place);
    child->page = child->holder->page = hatch_page();
    struct skep__outlet_options options = {.hub = bench->cluster->hub,
                                           .flusher = bench->cluster->flusher,
                                           .kind = SKEP__PORT_PUSH,
                                           .drained = skep__inbox_drained,
                                           .context = child};
    bench_inbox_url(bench, place, url);
    assert_int_equal(skep__outlet_new(&child->inbox, &options), SKEP_OK);
    assert_int_equal(skep__outlet_listen(child->inbox, url), SKEP_OK);
    skep__holder_set_inbox(child->holder, child->inbox);
    if (concurrency > 0) bench_handle(child, "q", concurrency);
    return child;
}

static inline void bench_dismiss(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    skep__jobs_worker_ended(child->holder);
    skep__outlet_free(&child->inbox);
    free(child->page);
    hatch_free_child(child);
    later_settle(cluster);
}

static inline struct skep__consumer *bench_place(const skep_child *child) {
    return LIST_FIRST(&child->holder->consumers);
}

/* --- what workers are sent --- */

struct bench_run {
    uint64_t delivery, id, attempt;
    uint32_t count;
    size_t size_bytes; /* of the payloads */
    bool redelivered;
};

struct bench_inlet {
    struct skep__port *port;
    struct skep_reader reader;
    struct bench_run runs[BENCH_RUNS];
    unsigned count;
    uint64_t jobs;
    unsigned wrong;
};

static inline void bench_note_run(struct bench_inlet *inlet, const struct skep_command_jobs *j) {
    struct bench_run *run = &inlet->runs[inlet->count < BENCH_RUNS ? inlet->count++ : BENCH_RUNS - 1];
    *run = (struct bench_run){.delivery = j->delivery,
                              .id = j->id,
                              .attempt = SKEP_HAS(jobs, j, attempt) ? j->attempt : 1,
                              .count = j->jobs.count,
                              .redelivered = j->redelivered};
    for (uint32_t i = 0; i < j->jobs.count; i++) run->size_bytes += skep__list_at(&j->jobs, i).size_bytes;
    inlet->jobs += j->jobs.count;
}

static inline void bench_arrived(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    struct bench_inlet *inlet = context;
    struct skep_command command;
    bool more = true;
    (void)peer;
    int status = skep__reader_begin(&inlet->reader, data, size_bytes);
    while (status == SKEP_OK && more) {
        status = skep__reader_next(&inlet->reader, &command, &more);
        if (status == SKEP_OK && more && command.id == SKEP_COMMAND_jobs) bench_note_run(inlet, &command.jobs);
    }
    inlet->wrong += status != SKEP_OK;
}

static inline void bench_read_inbox(struct bench *bench, uint32_t place, struct bench_inlet *inlet) {
    static const struct skep__port_events events = {.received = bench_arrived};
    char url[80];
    *inlet = (struct bench_inlet){.port = NULL};
    bench_inbox_url(bench, place, url);
    assert_int_equal(skep__reader_init(&inlet->reader, SKEP_CHANNEL_INBOX), SKEP_OK);
    assert_int_equal(skep__port_new(&inlet->port, bench->cluster->hub, SKEP__PORT_PULL, &events, inlet), SKEP_OK);
    assert_int_equal(skep__port_dial(inlet->port, url), SKEP_OK);
}

static inline void bench_close_inlet(struct bench_inlet *inlet) {
    assert_int_equal(inlet->wrong, 0);
    skep__port_free(&inlet->port);
    skep__reader_free(&inlet->reader);
}

/* --- jobs --- */

static inline struct skep__submission bench_job(size_t size_bytes) {
    static const char zeros[SKEP_MAX_PAYLOAD];
    return (struct skep__submission){
        .data = zeros, .size_bytes = size_bytes, .attempts = 100, .priority = SKEP__PRIORITY_MIDDLE};
}

static inline void bench_put(struct bench *bench, size_t size_bytes) {
    struct skep__submission submission = bench_job(size_bytes);
    uint64_t id;
    assert_int_equal(ledger_put(bench->cluster, bench->queue, &submission, &id), SKEP_OK);
}

static inline void bench_submit(struct bench *bench, unsigned count, size_t size_bytes) {
    struct skep__submission submission = bench_job(size_bytes);
    ledger_put_many(bench->cluster, bench->queue, &submission, count);
}

static inline void bench_complete(skep_child *child, uint64_t delivery, uint64_t n) {
    struct skep_command_completed command = {.delivery = delivery};
    const char *why;
    SKEP_SET(completed, &command, n, n);
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
    later_settle(child->cluster);
    skep__jobs_dispatch_to(child->holder);
}

/* n results of one size, as they come at the end of a worker's frame */
static inline void bench_results(skep_child *child, uint64_t delivery, uint32_t n, size_t size_bytes) {
    static const char text[SKEP_MAX_PAYLOAD] = "result";
    static struct skep_bytes results[SKEP_MAX_LIST];
    struct skep_command_completed command = {.delivery = delivery};
    const char *why;
    for (uint32_t i = 0; i < n; i++) results[i] = (struct skep_bytes){text, size_bytes};
    SKEP_SET(completed, &command, n, n);
    if (size_bytes > 0) SKEP_SET(completed, &command, results, ((struct skep_list){.count = n, .borrowed = results}));
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
}

static inline void bench_retry(skep_child *child, uint64_t delivery) {
    struct skep_command_retry command = {.delivery = delivery};
    skep__jobs_retried(child->holder, &command);
    later_settle(child->cluster);
}

static inline void bench_assert(const struct bench *bench, uint64_t ready, uint64_t reserved, uint64_t done) {
    later_settle(bench->cluster);
    assert_int_equal(bench->queue->shelf->ready_count, ready);
    assert_int_equal(bench->queue->shelf->reserved_count, reserved);
    assert_int_equal(bench->queue->shelf->done, done);
}

#endif
