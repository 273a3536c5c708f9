/* SPDX-License-Identifier: MIT
 * Settings of single queues, before the start and after it. */
#include "broker/ledger_bench.h"

static int set(skep_cluster *cluster, const char *name, skep_queue_options options) {
    return skep_setup_queue(cluster, name, &options);
}

static void test_before_the_start(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    assert_int_equal(set(cluster, "q", (skep_queue_options){.lease_ms = 500}), SKEP_OK);
    assert_int_equal(set(cluster, "q", (skep_queue_options){.attempts = 7, .backoff_ms = 20}),
                     SKEP_OK); /* in place of it */
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    const struct skep__queue *queue = skep__queues_find(cluster->jobs->queues, "q", 1);
    assert_non_null(queue);
    assert_int_equal(queue->options.lease_ms, 0);
    assert_int_equal(skep__jobs_attempts(cluster->jobs, queue, 0), 7);
    assert_int_equal(skep__jobs_attempts(cluster->jobs, queue, 2), 2); /* the submitter's word counts */
    assert_int_equal(queue->options.backoff_max_ms, 20);
    hatch_free(*state, &cluster);
}

static void test_after_the_start(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.attempts = 4});
    assert_int_equal(skep__jobs_attempts(bench.cluster->jobs, bench.queue, 0), 4);
    assert_int_equal(set(bench.cluster, "q", (skep_queue_options){.attempts = 7}), SKEP_OK);
    assert_int_equal(skep__jobs_attempts(bench.cluster->jobs, bench.queue, 0), 7);
    assert_int_equal(set(bench.cluster, "new", (skep_queue_options){.attempts = 7}), SKEP_OK);
    assert_non_null(skep__queues_find(bench.cluster->jobs->queues, "new", 3));
    bench_close(&bench);
}

static void refuse(skep_cluster *cluster, const char *name, skep_queue_options options, const char *why) {
    assert_int_equal(set(cluster, name, options), SKEP_EINVAL);
    assert_non_null(strstr(skep_cluster_why(cluster), why));
}

static void test_what_is_refused(void **state) {
    char name[SKEP_MAX_NAME + 2] = {0};
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    memset(name, 'n', SKEP_MAX_NAME + 1);
    refuse(cluster, "", (skep_queue_options){0}, "1 to 64 bytes");
    refuse(cluster, name, (skep_queue_options){0}, "1 to 64 bytes");
    refuse(cluster, "q", (skep_queue_options){.lease_ms = 99}, "q: lease of 99 ms: at least 100");
    refuse(cluster, "q", (skep_queue_options){.attempts = 65536}, "q: attempts 65536: at most 65535");
    refuse(cluster, "q", (skep_queue_options){.interruptions = 65536}, "q: interruptions 65536: at most 65535");
    refuse(cluster, "q", (skep_queue_options){.backoff_ms = 2, .backoff_max_ms = 1}, "backoff from 2 to 1 ms");
    refuse(cluster, "q", (skep_queue_options){.backoff_max_ms = 5}, "q: a backoff up to 5 ms");
    hatch_free(*state, &cluster);
}

/* A queue that has settings is never forgotten to make room. */
static void test_too_many(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    char name[SKEP_MAX_NAME + 1];
    for (unsigned i = 0; i < SKEP_MAX_QUEUES; i++) {
        snprintf(name, sizeof name, "queue %u", i);
        assert_int_equal(set(bench.cluster, name, (skep_queue_options){0}), SKEP_OK); /* "q" makes room */
    }
    assert_null(skep__queues_find(bench.cluster->jobs->queues, "q", 1));
    assert_int_equal(set(bench.cluster, "one more", (skep_queue_options){0}), SKEP_EQUEUES);
    bench_close(&bench);
}

static void test_defaults(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.attempts = 4});
    assert_int_equal(set(bench.cluster, "q", (skep_queue_options){.attempts = 7}), SKEP_OK);
    assert_int_equal(skep_setup_queue(bench.cluster, "q", NULL), SKEP_OK);
    assert_int_equal(skep__jobs_attempts(bench.cluster->jobs, bench.queue, 0), 4);
    bench_close(&bench);
}

static void test_credit_and_concurrency(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_queue_options options = {.concurrency = 5, .job_credit = 2};
    assert_int_equal(skep_setup_queue(bench.cluster, "q", &options), SKEP_OK);
    skep_child *workers[4];
    for (unsigned i = 0; i < 4; i++) workers[i] = bench_hire(&bench, i, 1);
    bench_submit(&bench, 20, 1);
    bench_assert(&bench, 15, 5, 0);
    bench_complete(workers[0], 1, 1);
    bench_assert(&bench, 14, 5, 1);
    for (unsigned i = 0; i < 4; i++) assert_in_range(bench_place(workers[i])->held, 0, 2);
    options.concurrency = 0;
    assert_int_equal(skep_setup_queue(bench.cluster, "q", &options), SKEP_OK);
    bench_assert(&bench, 11, 8, 1); /* at once */
    options.job_credit = 1;
    assert_int_equal(skep_setup_queue(bench.cluster, "q", &options), SKEP_OK);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(bench_place(workers[i])->window, 1);
    for (unsigned i = 0; i < 4; i++) bench_dismiss(workers[i]);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_before_the_start), PUMP_TEST(test_after_the_start),        PUMP_TEST(test_what_is_refused),
        PUMP_TEST(test_too_many),         PUMP_TEST(test_credit_and_concurrency), PUMP_TEST(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
