/* SPDX-License-Identifier: MIT
 * Jobs that there is no memory to send: workers get what they can begin with what was set aside, and the rest when
 * there is some again. */
#include "broker/ledger_bench.h"
#include "broker/shortage.h"

enum { JOBS = 100, LITTLE = 10, LARGE = 17000, WIDE = 10000 };

static struct bench_inlet inlet;

/* Jobs that wait, since nobody could take them. */
static skep_child *hire_when_paused(struct bench *bench, uint32_t place, unsigned jobs, size_t size_bytes) {
    bench->queue->paused = true;
    skep_child *child = bench_hire(bench, place, WIDE);
    bench_submit(bench, jobs, size_bytes);
    bench->queue->paused = false;
    return child;
}

static void test_one_is_sent_with_the_reserve(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = hire_when_paused(&bench, 0, JOBS, LARGE);
    shortage_begin(bench.cluster);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    bench_assert(&bench, JOBS - 1, 1, 0);
    assert_null(bench.cluster->memory.block);
    bench_complete(child, 1, 1); /* gives the next one out */
    bench_assert(&bench, JOBS - 2, 1, 1);
    shortage_end();
    bench_read_inbox(&bench, 0, &inlet);
    PUMP_UNTIL(bench.pump, inlet.jobs == 2);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

static void test_each_worker_gets_one(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *first = hire_when_paused(&bench, 0, JOBS, LARGE), *second = bench_hire(&bench, 1, 0);
    bench.queue->paused = true;
    bench_handle(second, "q", WIDE);
    bench.queue->paused = false;
    shortage_begin(bench.cluster);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    assert_int_equal(first->holder->deliveries.jobs, 1);
    assert_int_equal(second->holder->deliveries.jobs, 1);
    shortage_end();
    bench_dismiss(first);
    bench_dismiss(second);
    bench_close(&bench);
}

/* Little ones as many as it works on at once, but none ahead. */
static void test_little_ones_go_up_to_the_concurrency(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = hire_when_paused(&bench, 0, JOBS, LITTLE);
    bench_place(child)->concurrency = 10;
    bench_place(child)->window = WIDE;
    shortage_begin(bench.cluster);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    bench_assert(&bench, JOBS - 10, 10, 0);
    bench_complete(child, 3, 2);
    bench_assert(&bench, JOBS - 12, 10, 2);
    shortage_end();
    bench_dismiss(child);
    bench_close(&bench);
}

/* Nothing happens to the queue meanwhile: it is the broker that tries again. */
static void test_all_go_when_there_is_memory_again(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = hire_when_paused(&bench, 0, JOBS, LARGE);
    bench_place(child)->window = JOBS;
    shortage_begin(bench.cluster);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    bench_assert(&bench, JOBS - 1, 1, 0);
    shortage_end();
    PUMP_UNTIL(bench.pump, bench.queue->shelf->ready_count == 0);
    assert_non_null(bench.cluster->memory.block);
    bench_dismiss(child);
    bench_close(&bench);
}

/* Not even the reserve suffices: what cannot be sent stays, in its order, and is tried again. */
static void test_none_is_lost_when_there_is_nothing(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = hire_when_paused(&bench, 0, JOBS, LITTLE);
    bench_place(child)->window = JOBS;
    scarce_has = scarce_nothing;
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    bench_assert(&bench, JOBS, 0, 0);
    assert_null(bench.cluster->memory.block);
    shortage_end();
    PUMP_UNTIL(bench.pump, bench.queue->shelf->ready_count == 0);
    bench_read_inbox(&bench, 0, &inlet);
    PUMP_UNTIL(bench.pump, inlet.jobs == JOBS);
    assert_int_equal(inlet.runs[0].id, 1);
    assert_int_equal(inlet.runs[0].attempt, 1);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

/* And some for what else there is to be done. */
static bool has_the_reserve(size_t size_bytes) {
    return shortage_of->memory.block == NULL && size_bytes < SKEP__RESERVE_BYTES * 3 / 4;
}

static void test_the_reserve_suffices_for_the_largest_job(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = hire_when_paused(&bench, 0, 1, SKEP_MAX_PAYLOAD);
    shortage_begin(bench.cluster);
    scarce_has = has_the_reserve;
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue); /* all of it waits to be written */
    bench_assert(&bench, 0, 1, 0);
    shortage_end();
    bench_read_inbox(&bench, 0, &inlet);
    PUMP_UNTIL(bench.pump, inlet.jobs == 1);
    assert_int_equal(inlet.runs[0].size_bytes, SKEP_MAX_PAYLOAD);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

static void test_jobs_without_memory_are_refused(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    struct skep__submission submission = {.data = "x", .size_bytes = 1, .attempts = 1};
    uint64_t id = 0;
    shortage_begin(bench.cluster);
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_ENOMEM);
    assert_null(bench.cluster->memory.block); /* there is some now, but not for this */
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_ENOMEM);
    int status = SKEP_OK;
    assert_null(skep__jobs_get_queue(bench.cluster->jobs, "new", 3, &status));
    assert_int_equal(status, SKEP_ENOMEM);
    assert_ptr_equal(skep__jobs_get_queue(bench.cluster->jobs, "q", 1, &status), bench.queue);
    bench_assert(&bench, 0, 0, 0);
    assert_int_equal(bench.queue->shelf->declined, 2);
    shortage_end();
    PUMP_UNTIL(bench.pump, bench.cluster->memory.block != NULL);
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHORTAGE_TEST(test_one_is_sent_with_the_reserve),
        SHORTAGE_TEST(test_each_worker_gets_one),
        SHORTAGE_TEST(test_little_ones_go_up_to_the_concurrency),
        SHORTAGE_TEST(test_all_go_when_there_is_memory_again),
        SHORTAGE_TEST(test_none_is_lost_when_there_is_nothing),
        SHORTAGE_TEST(test_the_reserve_suffices_for_the_largest_job),
        SHORTAGE_TEST(test_jobs_without_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
