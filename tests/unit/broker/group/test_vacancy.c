/* SPDX-License-Identifier: MIT
 * Workers that have ended: who gets a replacement, and after how long. */
#include "broker/hatch.h"

#include <signal.h>

#include "worker/private.h"

enum { TRIES = 400, STABLE_MS = 60 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child;
};

static void open_bench(struct bench *bench, struct pump *pump) {
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, &(skep_settings){.respawn = true, .stable_ms = STABLE_MS});
    bench->child = hatch_child(bench->cluster, 0);
    bench->child->exit_code = 1;
}

static void close_bench(struct bench *bench) {
    hatch_free_child(bench->child);
    hatch_free(bench->pump, &bench->cluster);
}

/* --- delays --- */

/* The worker ends; returns after how long its replacement is due. Earlier ends do not count for the breaker. */
static int64_t end(struct bench *bench) {
    bench->child->slot->child = bench->child;
    bench->child->slot->wanted = true;
    skep_cluster_group(bench->cluster)->breaker.failures.count = 0;
    return skep__slot_vacate(bench->child);
}

struct range {
    int64_t least, most;
    bool varies;
};

/* Of the delays after so many failures in a row. */
static struct range delays(const struct bench *bench, unsigned failures) {
    struct bench own = *bench;
    struct range range = {.least = INT64_MAX, .most = -1};
    for (unsigned i = 0; i < TRIES; i++) {
        bench->child->slot->failures = failures - 1;
        int64_t delay_ms = end(&own);
        if (delay_ms < range.least) range.least = delay_ms;
        if (delay_ms > range.most) range.most = delay_ms;
    }
    range.varies = range.least != range.most;
    return range;
}

/* Twice as long with each failure, to ten seconds; a quarter more or less. */
static void test_delays_double(void **state) {
    static const int64_t nominal_ms[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    struct bench bench;
    open_bench(&bench, *state);
    for (unsigned failures = 1; failures <= 10; failures++) {
        struct range range = delays(&bench, failures);
        int64_t ms = nominal_ms[failures - 1];
        assert_in_range(range.least, ms * 3 / 4, ms * 9 / 10);
        assert_in_range(range.most, ms * 11 / 10, ms * 5 / 4);
        assert_true(range.varies);
    }
    assert_in_range(delays(&bench, UINT32_MAX).most, 7500, 12500);
    close_bench(&bench);
}

/* --- what is a failure --- */

static void be_ready_for(struct bench *bench, uint64_t ms) {
    bench->child->ready_ms = skep__clock_ms(bench->cluster->clock) - ms;
}

static void end_by(struct bench *bench, int code, int signal, const char *reason) {
    bench->child->exit_code = code;
    bench->child->exit_signal = signal;
    bench->child->reason = reason;
}

static void test_what_is_a_quick_failure(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    const struct skep__slot *slot = bench.child->slot;
    PUMP_LOOK_UNTIL(bench.pump, uv_now(&bench.pump->loop) > STABLE_MS);
    assert_true(end(&bench) > 0); /* it was never ready */
    assert_int_equal(slot->failures, 1);
    end_by(&bench, -1, SIGKILL, NULL);
    assert_true(end(&bench) > 0);
    assert_int_equal(slot->failures, 2);
    be_ready_for(&bench, STABLE_MS / 2);
    assert_int_equal(end(&bench), 0); /* somebody has killed it */
    assert_int_equal(slot->failures, 2);
    end_by(&bench, -1, SIGKILL, "protocol"); /* the broker, with reason */
    assert_true(end(&bench) > 0);
    assert_int_equal(slot->failures, 3);
    end_by(&bench, -1, SIGSEGV, NULL);
    assert_true(end(&bench) > 0);
    end_by(&bench, 0, -1, NULL);
    assert_true(end(&bench) > 0);
    assert_int_equal(slot->failures, 5);
    be_ready_for(&bench, STABLE_MS);
    assert_int_equal(end(&bench), 0);
    assert_int_equal(slot->failures, 0);
    close_bench(&bench);
}

/* --- who is replaced --- */

static void test_who_is_replaced(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    skep_child *child = bench.child;
    assert_true(end(&bench) > 0);
    assert_true(child->slot->wanted);
    child->voluntary = true;
    assert_int_equal(end(&bench), -1);
    assert_false(child->slot->wanted);
    child->voluntary = false;
    child->exit_code = SKEP_EXIT_UNSTARTABLE;
    assert_int_equal(end(&bench), -1);
    child->ready_ms = skep__clock_ms(bench.cluster->clock);
    assert_true(end(&bench) > 0);
    bench.cluster->stopping = true;
    assert_int_equal(end(&bench), -1);
    bench.cluster->stopping = false;
    bench.cluster->settings.respawn = false;
    assert_int_equal(end(&bench), -1);
    close_bench(&bench);
}

/* One that has given its place up, or that is to take another's, has no successor and proves nothing. */
static void test_whose_place_it_is(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    skep_child *other = hatch_child(bench.cluster, 1);
    struct skep__slot *slot = bench.child->slot;
    slot->child = other;
    assert_int_equal(skep__slot_vacate(bench.child), -1);
    assert_ptr_equal(slot->child, other);
    assert_true(slot->wanted);
    assert_int_equal(slot->failures, 0);
    slot->child = NULL;
    skep__slot_refill(slot, 5000);
    skep__slot_give_up(slot);
    assert_false(skep__alarm_is_set(&slot->refill));
    assert_int_equal(skep__slot_vacate(bench.child), -1);
    assert_false(slot->wanted);
    hatch_free_child(other);
    close_bench(&bench);
}

/* While the breaker is open nobody is due, and the place waits. */
static void test_the_breaker_opens(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    struct skep__slot *slot, *second = bench.child->slot;
    assert_int_equal(skep__slot_get(skep_cluster_group(bench.cluster), &slot), SKEP_OK);
    slot->wanted = true;
    skep__slot_refill(slot, 5000);
    bench.cluster->settings.failures = 1;
    assert_int_equal(end(&bench), -1);
    assert_true(skep_cluster_group(bench.cluster)->breaker.open);
    assert_true(second->wanted);
    assert_false(skep__alarm_is_set(&slot->refill));
    skep__slot_refill(slot, 5000);
    assert_false(skep__alarm_is_set(&slot->refill));
    assert_ptr_equal(skep__slot_missing(skep_cluster_group(bench.cluster)), slot);
    assert_true(skep__slots_are_filling(skep_cluster_group(bench.cluster)));
    bench.cluster->stopping = true;
    assert_false(skep__slots_are_filling(skep_cluster_group(bench.cluster)));
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_delays_double),     PUMP_TEST(test_what_is_a_quick_failure), PUMP_TEST(test_who_is_replaced),
        PUMP_TEST(test_whose_place_it_is), PUMP_TEST(test_the_breaker_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
