/* SPDX-License-Identifier: MIT
 * A hive as skep top sees it, made of answers that a test composes. */
#ifndef WATCHED_H
#define WATCHED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <histogram.h>
#include <string.h>

#include "command/top/view.h"

static inline struct skep_bytes bytes(const char *text) {
    return (struct skep_bytes){.data = text, .size_bytes = strlen(text)};
}

static inline void add(struct top_snapshot *snapshot, const struct skep_command *command) {
    assert_int_equal(top_snapshot_add(snapshot, command), SKEP_OK);
}

static inline struct skep_command broker_command(void) {
    return (struct skep_command){.id = SKEP_COMMAND_brokerStatus,
                                 .brokerStatus = {.name = bytes("mail"),
                                                  .state = bytes("running"),
                                                  .policy = bytes("round-robin"),
                                                  .pid = 99,
                                                  .uptime_ms = 3725000}};
}

static inline void add_broker(struct top_snapshot *snapshot, uint64_t requests) {
    struct skep_command command = broker_command();
    command.brokerStatus.requests = requests;
    add(snapshot, &command);
}

static inline struct skep_command worker_command(unsigned id, const char *state) {
    return (struct skep_command){
        .id = SKEP_COMMAND_workerStatus,
        .workerStatus = {
            .worker = id, .pid = 1000 + id, .state = bytes(state), .uptime_ms = 5000, .rss_bytes = 6000000}};
}

static inline void add_worker(struct top_snapshot *snapshot, unsigned id, const char *state, uint64_t requests,
                              uint64_t cpu_ms) {
    struct skep_command command = worker_command(id, state);
    command.workerStatus.requests = requests;
    SKEP_SET(workerStatus, &command.workerStatus, cpu_ms, cpu_ms);
    add(snapshot, &command);
}

/* Times since the start: so many of this duration. worker 0: of all. */
static inline void add_times(struct top_snapshot *snapshot, const char *what, unsigned worker, unsigned count,
                             uint64_t duration_ns) {
    struct skep_histogram histogram = {0};
    char packed[SKEP_MAX_TIMES];
    size_t size;
    for (unsigned i = 0; i < count; i++) assert_int_equal(skep__histogram_record(&histogram, duration_ns), SKEP_OK);
    assert_int_equal(skep__histogram_pack(&histogram, packed, sizeof packed, &size), SKEP_OK);
    skep__histogram_free(&histogram);
    struct skep_command command = {.id = SKEP_COMMAND_handlingStatus, .handlingStatus = {.what = bytes(what)}};
    if (worker != 0) SKEP_SET(handlingStatus, &command.handlingStatus, worker, worker);
    command.handlingStatus.times = (struct skep_bytes){.data = packed, .size_bytes = size};
    add(snapshot, &command);
}

static inline void take(struct top_model *model, struct top_snapshot *snapshot, uint64_t time_ms) {
    struct skep_command broker = broker_command();
    snapshot->time_ms = time_ms;
    if (snapshot->broker.status.pid == 0) add(snapshot, &broker);
    top_model_take(model, snapshot);
}

/* Takes a snapshot of so many ready workers, each of which has had requests and processor time as its id tells. */
static inline void take_workers(struct top_model *model, unsigned count, uint64_t time_ms) {
    struct top_snapshot snapshot = {0};
    for (unsigned id = 1; id <= count; id++) add_worker(&snapshot, id, "ready", id * time_ms / 10, id * time_ms / 100);
    take(model, &snapshot, time_ms);
}

static inline const struct top_worker *worker(const struct top_model *model, unsigned id) {
    const struct top_worker *found = top_find_worker(&model->now, id, 0);
    assert_non_null(found);
    return found;
}

#endif
