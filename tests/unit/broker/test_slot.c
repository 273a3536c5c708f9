/* SPDX-License-Identifier: MIT
 * Places and replacements: who gets one, and after how long. */
#include "hatch.h"

#include "life.h"

enum { TRIES = 400, LONG_AGO_MS = 60 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child;
};

static void open_bench(struct bench *bench, struct pump *pump) {
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, &(skep_settings){.respawn = true});
    bench->child = hatch_child(bench->cluster, 0);
    bench->child->exit_code = 1;
}

static void close_bench(struct bench *bench) {
    hatch_free_child(bench->child);
    hatch_free(bench->pump, &bench->cluster);
}

/* --- delays --- */

struct range {
    int64_t least, most;
    bool varies;
};

static struct range delays(const struct bench *bench) {
    struct range range = {.least = INT64_MAX, .most = -1};
    for (unsigned i = 0; i < TRIES; i++) {
        int64_t delay_ms = skep__slot_delay_ms(bench->child);
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
        bench.child->slot->failures = failures;
        struct range range = delays(&bench);
        int64_t ms = nominal_ms[failures - 1];
        assert_in_range(range.least, ms * 3 / 4, ms * 9 / 10);
        assert_in_range(range.most, ms * 11 / 10, ms * 5 / 4);
        assert_true(range.varies);
    }
    bench.child->slot->failures = UINT32_MAX;
    assert_in_range(delays(&bench).most, 7500, 12500);
    close_bench(&bench);
}

static void test_no_delay_without_failures(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    bench.child->slot->failures = 0;
    assert_int_equal(delays(&bench).most, 0);
    close_bench(&bench);
}

/* --- what is a failure --- */

static void age(struct bench *bench, uint64_t ready_for_ms) {
    bench->child->ready_ms = uv_now(&bench->pump->loop) - ready_for_ms;
}

static void test_judging(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    PUMP_LOOK_UNTIL(bench.pump, uv_now(&bench.pump->loop) > LONG_AGO_MS);
    bench.child->ready_ms = 0; /* it was never ready */
    skep__slot_judge(bench.child);
    assert_int_equal(bench.child->slot->failures, 1);
    age(&bench, 10); /* ready, and not for long */
    skep__slot_judge(bench.child);
    assert_int_equal(bench.child->slot->failures, 2);
    age(&bench, LONG_AGO_MS);
    skep__slot_judge(bench.child);
    assert_int_equal(bench.child->slot->failures, 0);
    close_bench(&bench);
}

/* --- who is replaced --- */

static void test_who_is_replaced(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    skep_child *child = bench.child;
    assert_int_equal(skep__slot_delay_ms(child), 0);
    child->exit_code = 0;
    assert_int_equal(skep__slot_delay_ms(child), 0);
    child->voluntary = true;
    assert_int_equal(skep__slot_delay_ms(child), -1);
    child->voluntary = false;
    child->exit_code = SKEP_EXIT_UNSTARTABLE;
    assert_int_equal(skep__slot_delay_ms(child), -1);
    child->ready_ms = 1;
    assert_int_equal(skep__slot_delay_ms(child), 0);
    bench.cluster->stopping = true;
    assert_int_equal(skep__slot_delay_ms(child), -1);
    bench.cluster->stopping = false;
    bench.cluster->settings.respawn = false;
    assert_int_equal(skep__slot_delay_ms(child), -1);
    close_bench(&bench);
}

/* --- places --- */

static void test_the_lowest_free_place(void **state) {
    struct bench bench;
    struct skep__slot *slots[3], *slot;
    open_bench(&bench, *state);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(skep__slot_get(bench.cluster, &slots[i]), SKEP_OK);
        assert_int_equal(slots[i]->index, i);
        slots[i]->child = bench.child;
    }
    slots[2]->child = NULL;
    slots[0]->child = NULL;
    skep__slot_refill(slots[0], 5000);
    assert_int_equal(skep__slot_get(bench.cluster, &slot), SKEP_OK);
    assert_ptr_equal(slot, slots[2]);
    skep__slots_stop(bench.cluster);
    assert_int_equal(skep__slot_get(bench.cluster, &slot), SKEP_OK);
    assert_ptr_equal(slot, slots[0]);
    assert_int_equal(bench.cluster->slot_count, 3);
    slots[1]->child = NULL;
    close_bench(&bench);
}

static void test_environment_is_copied(void **state) {
    struct bench bench;
    struct skep__slot *slot;
    char variable[] = "A=1";
    const char *env[] = {variable, "B=2", NULL};
    open_bench(&bench, *state);
    assert_int_equal(skep__slot_get(bench.cluster, &slot), SKEP_OK);
    assert_int_equal(skep__slot_set_env(slot, env), SKEP_OK);
    variable[2] = '9';
    assert_string_equal(slot->env[0], "A=1");
    assert_string_equal(slot->env[1], "B=2");
    assert_null(slot->env[2]);
    assert_int_equal(skep__slot_set_env(slot, NULL), SKEP_OK);
    assert_null(slot->env[0]);
    close_bench(&bench);
}

/* Stopping ends the wait of a replacement; a place that is filled needs none. */
static void test_refill(void **state) {
    struct bench bench;
    struct skep__slot *slot;
    open_bench(&bench, *state);
    pump_turns(bench.pump, 3); /* the event of the setup */
    assert_int_equal(skep__slot_get(bench.cluster, &slot), SKEP_OK);
    slot->child = bench.child;
    skep__slot_refill(slot, 5000);
    assert_false(skep__alarm_is_set(&slot->refill));
    slot->child = NULL;
    skep__slot_refill(slot, 5000);
    assert_true(skep__alarm_is_set(&slot->refill));
    assert_true(uv_loop_alive(&bench.pump->loop)); /* somebody is to come */
    skep__slots_stop(bench.cluster);
    assert_false(skep__alarm_is_set(&slot->refill));
    assert_false(uv_loop_alive(&bench.pump->loop));
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_delays_double),
        PUMP_TEST(test_no_delay_without_failures),
        PUMP_TEST(test_judging),
        PUMP_TEST(test_who_is_replaced),
        PUMP_TEST(test_the_lowest_free_place),
        PUMP_TEST(test_environment_is_copied),
        PUMP_TEST(test_refill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
