/* SPDX-License-Identifier: MIT
 * When a missing worker is started: after its delay, or when the breaker has one tried. */
#include "broker/hatch.h"

#include "private.h"

enum { LIMIT = 3 /* quick failures that open the breaker */ };

/* --- delays --- */

/* Stopping ends the wait of a replacement; a place that is filled needs none. */
static void test_refill(void **state) {
    struct pump *pump = *state;
    struct skep__slot *slot;
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){.respawn = true});
    skep_child *child = hatch_child(cluster, 0);
    pump_turns(pump, 3); /* the event of the setup */
    assert_int_equal(skep__slot_get(skep_cluster_group(cluster), &slot), SKEP_OK);
    slot->child = child;
    slot->wanted = true;
    skep__slot_refill(slot, 5000);
    assert_false(skep__alarm_is_set(&slot->refill));
    slot->child = NULL;
    slot->wanted = false;
    skep__slot_refill(slot, 5000);
    assert_false(skep__alarm_is_set(&slot->refill));
    slot->wanted = true;
    skep__slot_refill(slot, 5000);
    assert_true(skep__alarm_is_set(&slot->refill));
    assert_true(uv_loop_alive(&pump->loop)); /* somebody is to come */
    skep__slots_stop(skep_cluster_group(cluster));
    assert_false(skep__alarm_is_set(&slot->refill));
    assert_false(uv_loop_alive(&pump->loop));
    hatch_free_child(child);
    hatch_free(pump, &cluster);
}

/* The end of a reload does not put off what is due elsewhere. */
static void test_what_was_not_held_stays_due(void **state) {
    struct pump *pump = *state;
    struct skep__slot *slot;
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){.respawn = true});
    assert_int_equal(skep__slot_get(skep_cluster_group(cluster), &slot), SKEP_OK);
    slot->wanted = true;
    slot->failures = 20;
    skep__slot_refill(slot, 700);
    uint64_t due_ms = slot->refill.due_ms;
    skep__slot_unhold(slot);
    assert_int_equal(slot->refill.due_ms, due_ms);
    skep__slot_hold(slot);
    assert_false(skep__alarm_is_set(&slot->refill));
    skep__slot_unhold(slot);
    assert_true(slot->refill.due_ms >= due_ms + 5000);
    hatch_free(pump, &cluster);
}

/* --- the breaker and its trials --- */

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    char told[256]; /* phases, one letter each, then the latest reason */
    char reason[512];
};

static void see(skep_cluster *cluster, const skep_event *event, void *context) {
    struct bench *bench = context;
    (void)cluster;
    size_t used = strlen(bench->told);
    if (used + 1 < sizeof bench->told) bench->told[used] = event->phase[0];
    snprintf(bench->reason, sizeof bench->reason, "%s", event->reason);
}

static void open_bench(struct bench *bench, struct pump *pump, const skep_settings *settings) {
    skep_settings own = *settings;
    *bench = (struct bench){.pump = pump};
    own.respawn = true;
    own.exec = "sleep";
    own.args = (const char *const[]){"1000", NULL};
    bench->cluster = hatch_cluster(pump, &own);
    assert_int_equal(skep_on(bench->cluster, SKEP_EVENT_BREAKER, see, bench), SKEP_OK);
}

static void fail_times(struct bench *bench, unsigned times) {
    for (unsigned i = 0; i < times; i++) skep__refill_failed(skep_cluster_group(bench->cluster), 1, "worker 1 fell");
    skep__breaker_say(skep_cluster_group(bench->cluster));
    skep__emit_due(bench->cluster);
}

static void test_the_last_one_opens_it(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = LIMIT, .breaker_ms = 2500});
    fail_times(&bench, LIMIT - 1);
    assert_false(skep_cluster_group(bench.cluster)->breaker.open);
    assert_int_equal(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)), 0);
    fail_times(&bench, 1);
    assert_true(skep_cluster_group(bench.cluster)->breaker.open);
    assert_in_range(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)), 2000, 2500);
    assert_string_equal(bench.reason, "3 quick failures in 0.0 s, the last: worker 1 fell; trying one worker in 2.5 s, "
                                      "or on skep resume");
    fail_times(&bench, 10); /* of workers that were on their way */
    assert_string_equal(bench.told, "o");
    hatch_free(bench.pump, &bench.cluster);
}

/* Ten, and two for each worker. */
static void test_the_limit_grows_with_the_hive(void **state) {
    struct bench bench;
    struct skep__slot *slot;
    open_bench(&bench, *state, &(skep_settings){0});
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(skep__slot_get(skep_cluster_group(bench.cluster), &slot), SKEP_OK);
        slot->wanted = true;
    }
    fail_times(&bench, 17);
    assert_false(skep_cluster_group(bench.cluster)->breaker.open);
    fail_times(&bench, 1);
    assert_true(skep_cluster_group(bench.cluster)->breaker.open);
    hatch_free(bench.pump, &bench.cluster);
}

/* A place without a worker, for the breaker to try. */
static struct skep__slot *miss_one(struct bench *bench) {
    struct skep__slot *slot;
    skep_group *group = skep_cluster_group(bench->cluster);
    assert_int_equal(skep__cluster_begin(bench->cluster, &group->terms), SKEP_OK);
    assert_int_equal(skep__slot_get(group, &slot), SKEP_OK);
    slot->wanted = true;
    return slot;
}

static void test_one_is_tried(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1, .breaker_ms = SKEP__LEAST_BREAKER_MS});
    struct skep__slot *first = miss_one(&bench), *second = miss_one(&bench);
    fail_times(&bench, 1);
    PUMP_LOOK_UNTIL(bench.pump, first->child != NULL);
    assert_null(second->child);
    assert_int_equal(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)), 0);
    skep__refill_failed(skep_cluster_group(bench.cluster), first->child->id + 1, "another");
    assert_string_equal(bench.told, "o");
    skep__refill_failed(skep_cluster_group(bench.cluster), first->child->id, "it fell too");
    skep__breaker_say(skep_cluster_group(bench.cluster));
    skep__emit_due(bench.cluster);
    assert_string_equal(bench.told, "oo");
    assert_string_equal(bench.reason, "it failed again: it fell too; trying the next in 1 s, or on skep resume");
    assert_true(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)) > 0);
    skep__refill_child_ready(first->child); /* but it is ready after all */
    pump_turns(bench.pump, 3);
    assert_string_equal(bench.told, "ooc");
    assert_string_equal(bench.reason, "a worker is ready");
    assert_non_null(second->child);
    hatch_free(bench.pump, &bench.cluster);
}

/* One that leaves before it was ready decides nothing: there will be another. */
static void test_who_is_tried_leaves(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1, .breaker_ms = SKEP__LEAST_BREAKER_MS});
    struct skep__slot *slot = miss_one(&bench);
    fail_times(&bench, 1);
    PUMP_LOOK_UNTIL(bench.pump, slot->child != NULL);
    skep_child *child = slot->child;
    skep__slot_give_up(slot);
    skep__slot_vacate(child);
    assert_true(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)) > 0);
    PUMP_LOOK_UNTIL(bench.pump, !skep_cluster_group(bench.cluster)->breaker.open); /* nobody is missing */
    pump_turns(bench.pump, 3);
    assert_string_equal(bench.told, "oc");
    hatch_free(bench.pump, &bench.cluster);
}

/* The reload may be aborted; then somebody must look again. */
static void test_who_is_tried_is_ready_during_a_reload(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1, .breaker_ms = SKEP__LEAST_BREAKER_MS});
    struct skep__slot *slot = miss_one(&bench);
    fail_times(&bench, 1);
    PUMP_LOOK_UNTIL(bench.pump, slot->child != NULL);
    assert_int_equal(skep_cluster_reload(bench.cluster, NULL), SKEP_OK);
    skep__refill_child_ready(slot->child);
    assert_true(skep_cluster_group(bench.cluster)->breaker.open);
    assert_int_not_equal(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)), 0);
    skep__reload_cancel(skep_cluster_group(bench.cluster));
    PUMP_LOOK_UNTIL(bench.pump, !skep_cluster_group(bench.cluster)->breaker.open);
    assert_string_equal(bench.told, "oc");
    hatch_free(bench.pump, &bench.cluster);
}

/* What was started before it opened proves nothing. */
static void test_an_old_worker_does_not_close_it(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1});
    skep_child *old = NULL;
    assert_int_equal(skep_fork(bench.cluster, NULL, &old), SKEP_OK);
    fail_times(&bench, 1);
    skep__refill_child_ready(old);
    assert_true(skep_cluster_group(bench.cluster)->breaker.open);
    hatch_free(bench.pump, &bench.cluster);
}

static void test_closing_by_hand(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1});
    struct skep__slot *slot = miss_one(&bench);
    skep_cluster_close_breaker(bench.cluster); /* it is closed */
    assert_null(slot->child);
    slot->failures = 7;
    fail_times(&bench, 1);
    skep_cluster_close_breaker(bench.cluster);
    assert_non_null(slot->child);
    assert_int_equal(slot->failures, 0);
    assert_int_equal(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)), 0);
    pump_turns(bench.pump, 3);
    assert_string_equal(bench.told, "oc");
    hatch_free(bench.pump, &bench.cluster);
}

static void count_calls(skep_cluster *cluster, const skep_event *event, void *context) {
    unsigned *calls = context;
    (void)cluster, (void)event;
    ++*calls;
}

/* What a call of the user's causes is told after it. */
static void test_closing_by_hand_calls_nobody_back(void **state) {
    struct bench bench;
    unsigned calls = 0;
    open_bench(&bench, *state, &(skep_settings){.failures = 1});
    miss_one(&bench);
    fail_times(&bench, 1);
    assert_int_equal(
        skep_setup_primary(bench.cluster, &(skep_settings){.exec = "/no/such", .respawn = true, .failures = 1}),
        SKEP_OK);
    pump_turns(bench.pump, 3);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_BREAKER, count_calls, &calls), SKEP_OK);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_ERROR, count_calls, &calls), SKEP_OK);
    skep_cluster_close_breaker(bench.cluster);
    assert_int_equal(calls, 0);
    pump_turns(bench.pump, 3);
    assert_int_equal(calls, 3); /* closed, an error, opened */
    assert_string_equal(bench.told, "oco");
    hatch_free(bench.pump, &bench.cluster);
}

/* A program that is not there any more, when one is tried. */
static void test_who_is_tried_cannot_be_forked(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1, .breaker_ms = SKEP__LEAST_BREAKER_MS});
    struct skep__slot *slot = miss_one(&bench);
    fail_times(&bench, 1);
    assert_int_equal(skep_setup_primary(bench.cluster, &(skep_settings){.exec = "/no/such", .respawn = true}), SKEP_OK);
    PUMP_LOOK_UNTIL(bench.pump, strcmp(bench.told, "oo") == 0);
    assert_non_null(strstr(bench.reason, "/no/such: program not found"));
    assert_null(slot->child);
    assert_true(skep__breaker_wait_ms(skep_cluster_group(bench.cluster)) > 0);
    hatch_free(bench.pump, &bench.cluster);
}

static void test_stopping_ends_it(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.failures = 1});
    miss_one(&bench);
    fail_times(&bench, 1);
    assert_true(uv_loop_alive(&bench.pump->loop)); /* somebody is to come */
    skep_cluster_stop(bench.cluster, false);
    pump_turns(bench.pump, 3);
    assert_false(uv_loop_alive(&bench.pump->loop));
    hatch_free(bench.pump, &bench.cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_refill),
        PUMP_TEST(test_what_was_not_held_stays_due),
        PUMP_TEST(test_the_last_one_opens_it),
        PUMP_TEST(test_the_limit_grows_with_the_hive),
        PUMP_TEST(test_one_is_tried),
        PUMP_TEST(test_who_is_tried_leaves),
        PUMP_TEST(test_who_is_tried_is_ready_during_a_reload),
        PUMP_TEST(test_an_old_worker_does_not_close_it),
        PUMP_TEST(test_closing_by_hand),
        PUMP_TEST(test_closing_by_hand_calls_nobody_back),
        PUMP_TEST(test_who_is_tried_cannot_be_forked),
        PUMP_TEST(test_stopping_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
