/* SPDX-License-Identifier: MIT
 * How many jobs a worker is sent together, by how long it takes for one. */
#include "broker/ledger_bench.h"

enum { WIDE = 10000 };

static void report_one(skep_child *worker, uint64_t job_ns) {
    struct skep_histogram times = {0};
    for (unsigned i = 0; i < 10; i++) assert_int_equal(skep__histogram_record(&times, job_ns), SKEP_OK);
    assert_int_equal(skep__jobs_timed(bench_place(worker)->queue, worker->holder, &times), SKEP_OK);
    skep__histogram_free(&times);
}

static void report(skep_child *const workers[4], uint64_t job_ns) {
    for (unsigned i = 0; i < 4; i++) report_one(workers[i], job_ns);
}

static void assert_split(struct bench *bench, skep_child *const workers[4], const unsigned expected[4]) {
    bench_submit(bench, 8, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(bench_place(workers[i])->held, expected[i]);
        if (expected[i] > 0) bench_complete(workers[i], workers[i]->holder->deliveries.next - expected[i], expected[i]);
    }
}

static void test_small_jobs_travel_in_lots(void **state) {
    struct bench bench;
    skep_child *workers[4];
    bench_open(&bench, *state, NULL);
    for (unsigned i = 0; i < 4; i++) workers[i] = bench_hire(&bench, i, WIDE);
    assert_split(&bench, workers, (unsigned[]){2, 2, 2, 2}); /* how long they take is not known yet */
    report(workers, 120000);
    assert_split(&bench, workers, (unsigned[]){4, 4, 0, 0});
    assert_split(&bench, workers, (unsigned[]){0, 0, 4, 4}); /* whose turn it is */
    report(workers, 2500000);
    assert_split(&bench, workers, (unsigned[]){2, 2, 2, 2});
    for (unsigned i = 0; i < 200; i++) report(workers, 100); /* quick again, by and by */
    assert_split(&bench, workers, (unsigned[]){8, 0, 0, 0});
    for (unsigned i = 0; i < 4; i++) bench_dismiss(workers[i]);
    bench_close(&bench);
}

/* What it cannot begin would wait for it beside others that can. */
static void test_a_slow_worker_gets_what_it_can_begin(void **state) {
    struct bench bench;
    skep_child *workers[4];
    bench_open(&bench, *state, NULL);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = bench_hire(&bench, i, 1);
        bench_place(workers[i])->window = WIDE;
        report_one(workers[i], i == 0 ? 2000000 : 20000);
    }
    skep__consumers_reset(bench.queue);
    assert_split(&bench, workers, (unsigned[]){1, 7, 0, 0});
    for (unsigned i = 0; i < 4; i++) bench_dismiss(workers[i]);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_small_jobs_travel_in_lots),
        PUMP_TEST(test_a_slow_worker_gets_what_it_can_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
