/* SPDX-License-Identifier: MIT
 * Long histories, drawn by lot, under a mock broker and under a real one: submits, retries, failures, deaths, ends of
 * leases, extensions, keys, delays and expiry, one after the other with the same worker and its replacements. What
 * submitters are told, which tells in which order and attempt handlers saw the jobs, must be the same, step by step. */
#include "acts.h"
#include "stages.h"

#include <assert.h>

enum { STEPS = 14, LEASE_MS = 1500, OF_LEASE_MS = LEASE_MS / 2, OUTCOMES_KEPT = 5 /* of one step at most */ };

static_assert(STEPS * OUTCOMES_KEPT <= MAX_TOLD, "all outcomes are compared");

/* What it holds when a lease ends it keeps. */
static void begin_to_keep(skep_worker *worker) {
    begin(worker);
    role_need(skep_job_concurrency(worker, "many", 4 * STEPS), "concurrency");
}

static const struct role roles[] = {{"plain", begin_to_keep}, {NULL, NULL}};

/* ===== The lot ===== */

static unsigned long long lot;

static unsigned draw(unsigned below) {
    lot = lot * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(lot >> 33) % below;
}

/* ===== Steps ===== */

static void plain(struct stage *stage) {
    for (unsigned i = 1 + draw(3); i > 0; i--) submit(stage, "one", "plain", NULL);
}

static void retry(struct stage *stage) {
    static const char *const payloads[] = {"retry 1", "retry 2", "retry 3"};
    submit(stage, "one", payloads[draw(3)], NULL);
    submit(stage, "one", "plain", NULL);
}

static void retry_in_vain(struct stage *stage) {
    submit(stage, "one", "retry 9", &(skep_job_options){.attempts = 1 + draw(3)});
}

static void refuse(struct stage *stage) {
    submit(stage, draw(2) == 0 ? "one" : "many", "fail", NULL);
}

static void die_once(struct stage *stage) {
    submit(stage, "one", draw(2) == 0 ? "die 1" : "exit 1", NULL);
    submit(stage, "one", "plain", NULL); /* waits behind it */
}

static void die_too_often(struct stage *stage) {
    submit(stage, "one", "die 9", NULL);
}

static void let_leases_end(struct stage *stage) {
    submit(stage, "many", draw(2) == 0 ? "hold 1" : "hold 9", &(skep_job_options){.lease_ms = 200, .attempts = 2});
}

static void answer_late(struct stage *stage) {
    submit(stage, "many", "late", &(skep_job_options){.lease_ms = 200});
}

/* Held for twice as long as the lease */
static void extend(struct stage *stage) {
    submit(stage, "many", "hold 1", NULL);
    for (unsigned i = 1; i <= 3; i++) submit(stage, "many", "extend", &(skep_job_options){.delay_ms = i * OF_LEASE_MS});
    submit(stage, "many", "free", &(skep_job_options){.delay_ms = 2 * LEASE_MS});
}

/* Copies are told what came of the first, without the reason where it has ended before. */
static void copy(struct stage *stage) {
    static const char *const keys[] = {"a", "b", "c"};
    const skep_job_options key = {.key = keys[draw(3)]};
    submit(stage, "one", draw(2) == 0 ? "plain" : "fail", &key);
    submit(stage, "one", "a copy", &key); /* in the same frame */
    wait_for(stage, all_ended, stage, "all outcomes");
    submit(stage, "one", "another copy", &key);
}

static void delay(struct stage *stage) {
    submit(stage, "one", "last", &(skep_job_options){.delay_ms = 400});
    submit(stage, "one", "second", &(skep_job_options){.delay_ms = 200, .priority = 1});
    submit(stage, "one", "urgent", &(skep_job_options){.delay_ms = 200, .priority = -1});
    submit(stage, "one", "at once", NULL);
}

static void expire(struct stage *stage) {
    submit(stage, "nobody's", "expires", &(skep_job_options){.ttl_ms = 100});
    submit(stage, "one", "begun by then", &(skep_job_options){.ttl_ms = 2000});
}

/* ===== Histories ===== */

static scene *const steps[] = {plain,          retry,       retry_in_vain, refuse, die_once, die_too_often,
                               let_leases_end, answer_late, extend,        copy,   delay,    expire};

static void play(struct stage *stage) {
    add_worker(stage, "plain");
    for (unsigned i = 0; i < STEPS; i++) {
        steps[draw(sizeof steps / sizeof *steps)](stage);
        wait_for(stage, all_ended, stage, "all outcomes");
    }
    finish(stage);
}

static unsigned long long seed;

static void play_seed(struct stage *stage) {
    lot = seed;
    play(stage);
}

static void compare_by(void **state, unsigned long long of) {
    seed = of;
    compare(*state, play_seed, &(struct terms){.lease_ms = LEASE_MS, .attempts = 4, .deaths = 2});
}

static void test_one_history(void **state) {
    compare_by(state, 1);
}

static void test_another_history(void **state) {
    compare_by(state, 2);
}

/* Each of the steps once, in their order */
static void play_each(struct stage *stage) {
    lot = 4;
    add_worker(stage, "plain");
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        steps[i](stage);
        wait_for(stage, all_ended, stage, "all outcomes");
    }
    finish(stage);
}

static void test_each_step(void **state) {
    compare(*state, play_each, &(struct terms){.lease_ms = LEASE_MS, .attempts = 4, .deaths = 2});
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_each_step),
        HIVE_TEST(test_one_history),
        HIVE_TEST(test_another_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
