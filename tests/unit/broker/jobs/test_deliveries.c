/* SPDX-License-Identifier: MIT
 * Deliveries: numbers without a gap, in a ring that grows, answered in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* the three above come before */
#include <cmocka.h>

#include "jobs/deliveries.h"

enum { JOBS = 1000, LONG_LIFE = 100000 };

struct bench {
    struct skep__deliveries deliveries;
    struct skep__queue queue;
    struct skep__job *jobs[JOBS];
};

static void open_bench(struct bench *bench) {
    *bench = (struct bench){.deliveries = {.first = 1, .next = 1}};
    for (unsigned i = 0; i < JOBS; i++) {
        bench->jobs[i] = calloc(1, sizeof *bench->jobs[i]);
        assert_non_null(bench->jobs[i]);
        bench->jobs[i]->queue = &bench->queue;
    }
}

static void close_bench(struct bench *bench) {
    skep__deliveries_free(&bench->deliveries);
    assert_null(bench->deliveries.ring);
    for (unsigned i = 0; i < JOBS; i++) free(bench->jobs[i]);
}

static void add(struct bench *bench, unsigned index) {
    uint64_t expected = bench->deliveries.next;
    assert_int_equal(skep__deliveries_reserve(&bench->deliveries), SKEP_OK);
    skep__deliveries_add(&bench->deliveries, bench->jobs[index], 0);
    assert_int_equal(bench->jobs[index]->delivery, expected);
}

static void settle(struct bench *bench, uint64_t number) {
    assert_non_null(skep__deliveries_find(&bench->deliveries, number));
    skep__deliveries_settle(&bench->deliveries, number);
    assert_null(skep__deliveries_find(&bench->deliveries, number));
}

static void test_numbers_follow_each_other(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    assert_null(skep__deliveries_find(&bench.deliveries, 0));
    assert_null(skep__deliveries_find(&bench.deliveries, 1));
    assert_int_equal(skep__deliveries_after(&bench.deliveries, UINT64_MAX), 0);
    for (unsigned i = 0; i < JOBS; i++) add(&bench, i);
    for (unsigned i = 0; i < JOBS; i++) {
        const struct skep__delivery *delivery = skep__deliveries_find(&bench.deliveries, i + 1);
        assert_non_null(delivery);
        assert_ptr_equal(delivery->job, bench.jobs[i]);
        assert_ptr_equal(delivery->queue, &bench.queue);
    }
    assert_null(skep__deliveries_find(&bench.deliveries, JOBS + 1));
    assert_null(skep__deliveries_find(&bench.deliveries, UINT64_MAX));
    close_bench(&bench);
}

static void test_answers_in_any_order(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < 100; i++) add(&bench, i);
    for (uint64_t n = 103; n > 3;) settle(&bench, n -= 3);
    assert_int_equal(bench.deliveries.first, 2); /* 1 is one of those */
    for (uint64_t n = 2; n <= 100; n++)
        if (skep__deliveries_find(&bench.deliveries, n) != NULL) settle(&bench, n);
    assert_int_equal(bench.deliveries.first, 101);
    assert_int_equal(bench.deliveries.next, 101);
    close_bench(&bench);
}

/* One old delivery keeps its place while the ring grows around it. */
static void test_the_oldest_holds_the_others_up(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < JOBS; i++) add(&bench, i);
    for (uint64_t n = 2; n <= JOBS; n++) settle(&bench, n);
    assert_int_equal(bench.deliveries.first, 1);
    assert_ptr_equal(skep__deliveries_find(&bench.deliveries, 1)->job, bench.jobs[0]);
    settle(&bench, 1);
    assert_int_equal(bench.deliveries.first, JOBS + 1);
    close_bench(&bench);
}

/* What was taken back is told from what was answered. */
static void test_a_job_that_was_taken_back(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    add(&bench, 0);
    skep__deliveries_find(&bench.deliveries, 1)->job = NULL;
    const struct skep__delivery *delivery = skep__deliveries_find(&bench.deliveries, 1);
    assert_non_null(delivery);
    assert_null(delivery->job);
    assert_ptr_equal(delivery->queue, &bench.queue);
    settle(&bench, 1);
    close_bench(&bench);
}

/* However long it lives, the ring is no larger than what is held at a time. */
static void test_the_ring_stays_small(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < 10; i++) add(&bench, i);
    for (unsigned i = 0; i < LONG_LIFE; i++) {
        add(&bench, 10 + i % 10);
        settle(&bench, i + 1);
    }
    assert_in_range(bench.deliveries.capacity, 11, 32);
    assert_int_equal(bench.deliveries.next, LONG_LIFE + 11);
    close_bench(&bench);
}

/* However long one job takes, the others go by, and memory is bounded. */
static void test_stragglers(void **state) {
    static struct bench bench;
    struct skep__deliveries *deliveries = &bench.deliveries;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < 3; i++) add(&bench, i);
    skep__deliveries_take(deliveries, 2); /* its lease has ended: it is forgotten */
    assert_int_equal(deliveries->jobs, 2);
    assert_int_equal(skep__deliveries_in_the_way(deliveries), 0);
    for (unsigned i = 0; i < LONG_LIFE; i++) {
        add(&bench, 3 + i % 10);
        settle(&bench, 4 + i);
    }
    assert_int_equal(deliveries->capacity, SKEP_CLAIMS);
    assert_int_equal(deliveries->jobs, 2);
    assert_ptr_equal(skep__deliveries_find(deliveries, 1)->job, bench.jobs[0]);
    assert_null(skep__deliveries_find(deliveries, 2));
    assert_ptr_equal(skep__deliveries_find(deliveries, 3)->job, bench.jobs[2]);
    uint64_t last = deliveries->next;
    add(&bench, 20);
    const uint64_t all[] = {0, 1, 3, last, 0};
    for (unsigned i = 0; i < 4; i++) assert_int_equal(skep__deliveries_after(deliveries, all[i]), all[i + 1]);
    assert_int_equal(skep__deliveries_before(deliveries, UINT64_MAX), last);
    for (unsigned i = 3; i > 0; i--) assert_int_equal(skep__deliveries_before(deliveries, all[i]), all[i - 1]);
    settle(&bench, 1);
    skep__deliveries_take(deliveries, 3);
    assert_null(skep__deliveries_find(deliveries, 3));
    assert_int_equal(skep__deliveries_after(deliveries, 0), last);
    assert_int_equal(deliveries->jobs, 1);
    skep__deliveries_undo(deliveries, last);
    assert_int_equal(deliveries->jobs, 0);
    assert_int_equal(skep__deliveries_after(deliveries, 0), 0);
    close_bench(&bench);
}

static void test_who_is_in_the_way(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < SKEP_CLAIMS; i++) {
        assert_int_equal(skep__deliveries_in_the_way(&bench.deliveries), 0);
        add(&bench, i % JOBS);
    }
    assert_int_equal(skep__deliveries_in_the_way(&bench.deliveries), 1);
    settle(&bench, 1);
    assert_int_equal(skep__deliveries_in_the_way(&bench.deliveries), 0);
    close_bench(&bench);
}

/* A worker that is gone: its numbers are not given again. */
static void test_freed_deliveries_are_answered(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench);
    for (unsigned i = 0; i < 20; i++) add(&bench, i);
    skep__deliveries_free(&bench.deliveries);
    for (uint64_t n = 0; n <= 21; n++) assert_null(skep__deliveries_find(&bench.deliveries, n));
    add(&bench, 0);
    assert_int_equal(bench.jobs[0]->delivery, 21);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_follow_each_other),
        cmocka_unit_test(test_answers_in_any_order),
        cmocka_unit_test(test_the_oldest_holds_the_others_up),
        cmocka_unit_test(test_a_job_that_was_taken_back),
        cmocka_unit_test(test_the_ring_stays_small),
        cmocka_unit_test(test_freed_deliveries_are_answered),
        cmocka_unit_test(test_stragglers),
        cmocka_unit_test(test_who_is_in_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
