/* SPDX-License-Identifier: MIT
 * skep top's model: rates and times between two snapshots, their history, the events. */
#include "command/watched.h"

#include <stdio.h>

static void test_nothing_is_known_of_one_snapshot(void **state) {
    struct top_model model = {.interval_ms = 1000};
    (void)state;
    take_workers(&model, 2, 1000);
    assert_float_equal(top_rate(&model, TOP_REQUESTS_RATE), -1, 0);
    assert_float_equal(worker(&model, 1)->cpu_percent, -1, 0);
    assert_int_equal(model.history_count, 0);
    top_model_free(&model);
}

static void test_rates_are_per_second(void **state) {
    struct top_model model = {.interval_ms = 1000};
    (void)state;
    take_workers(&model, 2, 1000);
    take_workers(&model, 3, 3000);
    assert_float_equal(top_worker_rate(&model, worker(&model, 2), TOP_REQUESTS_RATE), 200, 0.01);
    assert_float_equal(worker(&model, 2)->cpu_percent, 2, 0.01);
    /* Worker 3 was not there before: all it has is new. */
    assert_float_equal(top_worker_rate(&model, worker(&model, 3), TOP_REQUESTS_RATE), 450, 0.01);
    top_model_free(&model);
}

static void take_cpu(struct top_model *model, uint64_t cpu_ms, uint64_t time_ms) {
    struct top_snapshot snapshot = {0};
    add_worker(&snapshot, 1, "ready", 0, cpu_ms);
    take(model, &snapshot, time_ms);
}

/* The broker does not look at it for each answer. */
static void test_processor_time_that_was_not_looked_at_does_not_count(void **state) {
    static const struct {
        uint64_t cpu_ms, time_ms;
        double percent;
    } steps[] = {{100, 1000, -1}, {600, 2000, 50}, {600, 2250, 50}, {600, 2500, 50},
                 {850, 3000, 25}, {850, 4000, 25}, {850, 5000, 0},  {900, 6000, 5}};
    struct top_model model = {.interval_ms = 1000};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        take_cpu(&model, steps[i].cpu_ms, steps[i].time_ms);
        assert_float_equal(worker(&model, 1)->cpu_percent, steps[i].percent, 0.01);
    }
    top_model_free(&model);
}

/* A count that went back is that of something that began anew. */
static void test_no_rate_is_negative(void **state) {
    struct top_model model = {.interval_ms = 1000};
    struct top_snapshot snapshot = {0};
    (void)state;
    take_workers(&model, 1, 1000);
    add_worker(&snapshot, 1, "ready", 7, 0);
    take(&model, &snapshot, 2000);
    assert_float_equal(top_worker_rate(&model, worker(&model, 1), TOP_REQUESTS_RATE), 7, 0.01);
    top_model_free(&model);
}

static void test_an_early_snapshot_is_compared_with_an_older_one(void **state) {
    struct top_model model = {.interval_ms = 1000};
    (void)state;
    take_workers(&model, 1, 1000);
    take_workers(&model, 1, 2000);
    take_workers(&model, 1, 2250);
    assert_int_equal(model.before.time_ms, 1000);
    take_workers(&model, 1, 3250);
    assert_int_equal(model.before.time_ms, 2000);
    take_workers(&model, 1, 4250);
    assert_int_equal(model.before.time_ms, 3250);
    assert_float_equal(top_worker_rate(&model, worker(&model, 1), TOP_REQUESTS_RATE), 100, 0.01);
    top_model_free(&model);
}

static void test_rates_have_their_time_however_many_snapshots_there_are(void **state) {
    struct top_model model = {.interval_ms = 1000};
    (void)state;
    take_workers(&model, 1, 1000);
    take_workers(&model, 1, 2000);
    for (uint64_t time_ms = 2250; time_ms < 20000; time_ms += time_ms % 1000 == 0 ? 700 : 250) {
        take_workers(&model, 1, time_ms);
        assert_in_range(time_ms - model.before.time_ms, 950, 2000);
    }
    top_model_free(&model);
}

/* One sample for each interval, however many snapshots there are; the oldest goes first. */
static void test_history(void **state) {
    struct top_model model = {.interval_ms = 1000};
    (void)state;
    for (uint64_t i = 1; i <= 50; i++) {
        struct top_snapshot snapshot = {0}, early = {0};
        add_broker(&snapshot, 100 * i * i);
        add_broker(&early, 100 * i * i);
        take(&model, &snapshot, 1000 * i);
        take(&model, &early, 1000 * i + 300);
    }
    assert_in_range(model.history_count, 40, 50);
    for (uint64_t i = 51; i <= 200; i++) {
        struct top_snapshot snapshot = {0};
        add_broker(&snapshot, 100 * i * i);
        take(&model, &snapshot, 1000 * i);
    }
    assert_int_equal(model.history_count, TOP_HISTORY);
    assert_float_equal(model.history[TOP_REQUESTS_RATE][TOP_HISTORY - 1], 100.0 * (200 * 200 - 199 * 199), 1);
    assert_float_equal(model.history[TOP_REQUESTS_RATE][0], 100.0 * (141 * 141 - 140 * 140), 1);
    top_model_free(&model);
}

static void test_times_are_those_of_the_interval(void **state) {
    struct top_model model = {.interval_ms = 1000};
    struct top_snapshot first = {0}, second = {0};
    (void)state;
    add_worker(&first, 1, "ready", 0, 0);
    add_times(&first, "request", 1, 1000, 900000000);
    add_times(&first, "request", 0, 1000, 900000000);
    take(&model, &first, 1000);
    add_worker(&second, 1, "ready", 0, 0);
    struct skep_histogram both = {0};
    char packed[SKEP_MAX_TIMES];
    size_t size;
    for (int i = 0; i < 1000; i++) assert_int_equal(skep__histogram_record(&both, 900000000), SKEP_OK);
    for (int i = 0; i < 50; i++) assert_int_equal(skep__histogram_record(&both, 2000000), SKEP_OK);
    assert_int_equal(skep__histogram_pack(&both, packed, sizeof packed, &size), SKEP_OK);
    skep__histogram_free(&both);
    struct skep_command command = {.id = SKEP_COMMAND_handlingStatus,
                                   .handlingStatus = {.what = bytes("request"), .times = {packed, size}}};
    add(&second, &command);
    SKEP_SET(handlingStatus, &command.handlingStatus, worker, 1);
    add(&second, &command);
    take(&model, &second, 2000);
    struct top_quantiles all = top_times(&model, TOP_REQUEST), one = top_worker_times(&model, worker(&model, 1));
    assert_int_equal(all.total, 50);
    assert_in_range(all.p99_ns, 1900000, 2100000);
    assert_int_equal(one.total, 50);
    assert_in_range(one.p50_ns, 1900000, 2100000);
    assert_int_equal(top_times(&model, TOP_JOB).total, 0);
    top_model_free(&model);
}

static void test_times_that_cannot_be_read_are_none(void **state) {
    struct top_model model = {.interval_ms = 1000};
    struct top_snapshot snapshot = {0};
    (void)state;
    struct skep_command command = {.id = SKEP_COMMAND_handlingStatus,
                                   .handlingStatus = {.what = bytes("job"), .times = bytes("\xff\xff\xff")}};
    add(&snapshot, &command);
    SKEP_SET(handlingStatus, &command.handlingStatus, worker, 12); /* a worker that is not there */
    add(&snapshot, &command);
    command.handlingStatus.what = bytes("something else");
    add(&snapshot, &command);
    take(&model, &snapshot, 1000);
    assert_int_equal(top_times(&model, TOP_JOB).total, 0);
    top_model_free(&model);
}

static void test_kinds_that_are_there(void **state) {
    struct top_model model = {.interval_ms = 1000};
    struct top_snapshot first = {0}, second = {0}, third = {0};
    (void)state;
    add_times(&first, "connection", 0, 1, 1000);
    take(&model, &first, 1000);
    assert_int_equal(model.kind, TOP_CONNECTION);
    add_times(&second, "job", 0, 1, 1000);
    add_times(&second, "connection", 0, 1, 1000);
    take(&model, &second, 2000);
    assert_int_equal(model.kind, TOP_JOB);
    top_model_next_kind(&model);
    assert_int_equal(model.kind, TOP_CONNECTION);
    add_times(&third, "job", 0, 1, 1000);
    add_times(&third, "connection", 0, 1, 1000);
    take(&model, &third, 3000);
    assert_int_equal(model.kind, TOP_CONNECTION);
    top_model_next_kind(&model);
    assert_int_equal(model.kind, TOP_JOB);
    top_model_free(&model);
}

static void note(struct top_model *model, int number) {
    char reason[16];
    snprintf(reason, sizeof reason, "\x1b[2J%d", number);
    struct skep_command_event event = {.time = 45296000, .event = bytes("error")};
    SKEP_SET(event, &event, reason, bytes(reason));
    top_model_note(model, &event);
}

static void test_events_are_a_ring_of_harmless_lines(void **state) {
    static struct top_model model;
    (void)state;
    assert_null(top_model_event(&model, 0));
    for (int i = 0; i < TOP_EVENTS + 7; i++) note(&model, i);
    assert_string_equal(top_model_event(&model, 0), "12:34:56 broker: error: ?[2J70");
    assert_string_equal(top_model_event(&model, TOP_EVENTS - 1), "12:34:56 broker: error: ?[2J7");
    assert_null(top_model_event(&model, TOP_EVENTS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_of_one_snapshot),
        cmocka_unit_test(test_rates_are_per_second),
        cmocka_unit_test(test_processor_time_that_was_not_looked_at_does_not_count),
        cmocka_unit_test(test_no_rate_is_negative),
        cmocka_unit_test(test_an_early_snapshot_is_compared_with_an_older_one),
        cmocka_unit_test(test_rates_have_their_time_however_many_snapshots_there_are),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_times_are_those_of_the_interval),
        cmocka_unit_test(test_times_that_cannot_be_read_are_none),
        cmocka_unit_test(test_kinds_that_are_there),
        cmocka_unit_test(test_events_are_a_ring_of_harmless_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
