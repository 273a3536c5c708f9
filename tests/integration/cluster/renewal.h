/* SPDX-License-Identifier: MIT
 * Workers that are replaced by a reload, and what a primary sees of it. */
#ifndef SKEP_TESTS_RENEWAL_H
#define SKEP_TESTS_RENEWAL_H

#include "hive.h"
#include "serve.h"

#include <fcntl.h>
#include <signal.h>

enum { FAILED = 3 /* exit status of a worker that does not start */ };

/* --- workers: the first argument says what a new program is; without one it is the old --- */

/* They are told apart by where they listen: what they said otherwise could be lost, since NNG may be deaf for a while
 * after one that died at its start. */

static inline void be_old(skep_worker *worker) {
    serve_on(worker, "tcp://127.0.0.1:0");
}

static inline void be_new(skep_worker *worker) {
    be_old(worker);
    serve_on(worker, "tcp://127.0.0.2:0");
}

static inline void fail_at_start(skep_worker *worker) {
    (void)worker;
    _exit(FAILED);
}

/* The first of the new workers starts, the next does not. */
static inline void fail_unless_third(skep_worker *worker) {
    if (skep_worker_id(worker) != 3) _exit(FAILED);
    be_new(worker);
}

static inline void hang(skep_worker *worker) {
    (void)worker;
    for (;;) pause();
}

static inline void hang_unless_third(skep_worker *worker) {
    if (skep_worker_id(worker) != 3) hang(worker);
    be_new(worker);
}

/* Two are started at once: one fails when the other is there for certain, since it is the later one. */
static inline void fail_or_hang(skep_worker *worker) {
    if (skep_worker_id(worker) == 4) _exit(FAILED);
    hang(worker);
}

/* Starts when the gate, a FIFO, is opened, or is gone. */
static inline void start_late(skep_worker *worker) {
    const char *path = getenv("SKEP_TEST_GATE");
    int gate = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (gate >= 0) close(gate);
    be_new(worker);
}

static inline void accept_and_start_late(skep_worker *worker) {
    be_old(worker);
    hang(worker);
}

static const struct role roles[] = {
    {"old", be_old},
    {"new", be_new},
    {"fail", fail_at_start},
    {"fail-unless-third", fail_unless_third},
    {"hang", hang},
    {"hang-unless-third", hang_unless_third},
    {"fail-or-hang", fail_or_hang},
    {"late", start_late},
    {"listen-and-hang", accept_and_start_late},
    {NULL, NULL},
};

/* --- the primary's side --- */

static const skep_settings usual = {.respawn = true};

static inline void begin(struct hive *hive, const skep_settings *settings, unsigned workers, const char *variable) {
    hive_start(hive, settings);
    for (unsigned i = 0; i < workers; i++) hive_fork(hive, "old", variable);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 0) == workers);
}

static inline int reload_onto(struct hive *hive, const char *role, unsigned at_once) {
    const skep_reload_options options = {.args = (const char *const[]){role, NULL}, .at_once = at_once};
    return skep_cluster_reload(hive->cluster, role != NULL ? &options : NULL);
}

static inline const struct seen *phase(const struct hive *hive, const char *name) {
    for (size_t i = 0; i < hive->count; i++)
        if (hive->log[i].kind == SKEP_EVENT_RELOAD && strcmp(hive->log[i].phase, name) == 0) return &hive->log[i];
    return NULL;
}

static inline void await(struct hive *hive, const char *name) {
    HIVE_UNTIL(hive, phase(hive, name) != NULL);
}

static inline void expect_phase(const struct hive *hive, const char *name, uint32_t step, uint32_t steps,
                                const char *reason) {
    const struct seen *seen = phase(hive, name);
    assert_non_null(seen);
    assert_string_equal(seen->reason, reason);
    assert_int_equal(seen->step, step);
    assert_int_equal(seen->steps, steps);
}

/* The first is told before the second. */
static inline void expect_order(const struct hive *hive, enum skep_event_kind first, uint32_t a,
                                enum skep_event_kind second, uint32_t b) {
    assert_non_null(hive_find(hive, first, a));
    assert_non_null(hive_find(hive, second, b));
    assert_true(hive_find(hive, first, a) < hive_find(hive, second, b));
}

static inline void expect_exit(struct hive *hive, uint32_t id, const char *reason) {
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->reason, reason);
}

static inline const char *program_of(struct hive *hive, uint32_t id) {
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, id) != NULL);
    return hive_count(hive, SKEP_EVENT_LISTENING, id) == 2 ? "new" : "old";
}

/* Kills a worker; the id of its replacement is known. */
static inline void kill_for(struct hive *hive, uint32_t id, uint32_t replacement) {
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, id), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, replacement) != NULL);
}

/* The main() of a program that is also its workers. */
static inline int reload_main(int argc, char **argv, int (*run)(void)) {
    if (skep_is_worker() && argc > 1) setenv("SKEP_TEST_ROLE", argv[1], 1);
    return skep_is_worker() ? role_play(roles) : run();
}

#endif
