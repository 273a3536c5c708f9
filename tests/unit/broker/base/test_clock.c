/* SPDX-License-Identifier: MIT
 * The broker's clock: alarms in order, and none of them because the loop stood still. */
#include "lib/pump.h"

#include "base/clock.h"

enum { ALARMS = 8, STALL_MS = 1200 };

struct bench {
    struct pump *pump;
    struct skep__clock *clock;
    struct alarm {
        struct skep__alarm alarm; /* first member */
        struct bench *bench;
        unsigned rung, place; /* its place in the order in which they rang, from 1 */
    } alarms[ALARMS];
    unsigned rung;
    bool read; /* what came over the pipe */
};

static void open_bench(struct bench *bench, struct pump *pump) {
    memset(bench, 0, sizeof *bench);
    bench->pump = pump;
    for (unsigned i = 0; i < ALARMS; i++) bench->alarms[i].bench = bench;
    assert_int_equal(skep__clock_new(&bench->clock, &pump->loop), SKEP_OK);
}

static void close_bench(struct bench *bench) {
    skep__clock_free(&bench->clock);
    assert_null(bench->clock);
    skep__clock_free(&bench->clock);
    pump_turns(bench->pump, 3);
}

static void ring(struct skep__alarm *alarm) {
    struct alarm *mine = (struct alarm *)alarm;
    assert_false(skep__alarm_is_set(alarm));
    mine->rung++;
    mine->place = ++mine->bench->rung;
}

static void set(struct bench *bench, unsigned i, uint64_t delay_ms) {
    assert_int_equal(skep__alarm_set(bench->clock, &bench->alarms[i].alarm, delay_ms, ring), SKEP_OK);
}

static void test_in_order(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    for (unsigned i = 0; i < ALARMS; i++) set(&bench, i, 10 + 5 * ((i * 3) % ALARMS));
    PUMP_UNTIL(bench.pump, bench.rung == ALARMS);
    for (unsigned i = 0; i < ALARMS; i++) assert_int_equal(bench.alarms[i].place, (i * 3) % ALARMS + 1);
    assert_true(skep__clock_ms(bench.clock) >= 10 + 5 * (ALARMS - 1));
    close_bench(&bench);
}

/* One that is further away than the clock looks. */
static void test_not_too_early(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    uint64_t since_ms = skep__clock_ms(bench.clock), since_ns = uv_hrtime();
    set(&bench, 0, 700);
    PUMP_UNTIL(bench.pump, bench.rung == 1);
    assert_true(skep__clock_ms(bench.clock) - since_ms >= 700);
    assert_true(uv_hrtime() - since_ns >= UINT64_C(690) * 1000000);
    close_bench(&bench);
}

static void test_moved_and_stopped(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    set(&bench, 0, 5);
    set(&bench, 0, 40); /* later */
    set(&bench, 1, 60000);
    set(&bench, 1, 20); /* sooner */
    set(&bench, 2, 10);
    set(&bench, 3, UINT64_MAX);
    assert_true(skep__alarm_is_set(&bench.alarms[2].alarm));
    skep__alarm_stop(&bench.alarms[2].alarm);
    skep__alarm_stop(&bench.alarms[2].alarm);
    skep__alarm_stop(&bench.alarms[4].alarm); /* which was never set */
    assert_false(skep__alarm_is_set(&bench.alarms[2].alarm));
    PUMP_UNTIL(bench.pump, bench.rung == 2);
    assert_int_equal(bench.alarms[1].place, 1);
    assert_int_equal(bench.alarms[0].place, 2);
    assert_int_equal(bench.alarms[0].rung, 1);
    assert_int_equal(bench.alarms[2].rung, 0);
    close_bench(&bench);
}

static void ring_again(struct skep__alarm *alarm) {
    struct alarm *mine = (struct alarm *)alarm;
    struct bench *bench = mine->bench;
    bench->rung++;
    skep__alarm_stop(&bench->alarms[1].alarm); /* due at the same time */
    assert_int_equal(skep__alarm_set(bench->clock, alarm, 0, ring_again), SKEP_OK);
}

static void turn_quickly(uv_idle_t *idle) {
    (void)idle;
}

/* One that sets itself again for at once lets the loop turn; one that is stopped by another does not ring. */
static void test_changed_while_ringing(void **state) {
    struct bench bench;
    uv_idle_t idle; /* the poll returns at once, in the millisecond in which the clock looked */
    open_bench(&bench, *state);
    uv_idle_init(&bench.pump->loop, &idle);
    uv_idle_start(&idle, turn_quickly);
    assert_int_equal(skep__alarm_set(bench.clock, &bench.alarms[0].alarm, 1, ring_again), SKEP_OK);
    set(&bench, 1, 2);
    pump_stall(5);
    for (unsigned before = 0; before < 3; before = bench.rung) PUMP_UNTIL(bench.pump, bench.rung > before);
    assert_int_equal(bench.alarms[1].rung, 0);
    uv_close((uv_handle_t *)&idle, NULL);
    close_bench(&bench);
}

/* --- the loop --- */

static void test_who_keeps_the_loop(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    set(&bench, 0, 60000);
    assert_false(uv_loop_alive(&bench.pump->loop));
    bench.alarms[1].alarm.holds = bench.alarms[2].alarm.holds = true;
    set(&bench, 1, 60000);
    set(&bench, 1, 20);
    set(&bench, 2, 60000);
    skep__alarm_stop(&bench.alarms[2].alarm);
    assert_true(uv_loop_alive(&bench.pump->loop));
    uv_run(&bench.pump->loop, UV_RUN_DEFAULT);
    assert_int_equal(bench.alarms[1].rung, 1);
    assert_int_equal(bench.rung, 1);
    close_bench(&bench);
}

/* --- standing still --- */

static void test_a_long_stall_does_not_count(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    set(&bench, 0, 600);
    pump_turns(bench.pump, 1);
    assert_int_equal(skep__clock_gap_ms(bench.clock), 0);
    uint64_t before_ms = skep__clock_ms(bench.clock);
    pump_stall(STALL_MS);
    pump_turns(bench.pump, 3);
    assert_true(skep__clock_ms(bench.clock) - before_ms < 600);
    assert_in_range(skep__clock_gap_ms(bench.clock), before_ms, skep__clock_ms(bench.clock));
    assert_int_equal(bench.rung, 0);
    PUMP_UNTIL(bench.pump, bench.rung == 1);
    close_bench(&bench);
}

/* Nor when the last alarm goes before anybody has looked at the clock again. */
static void test_a_stall_and_then_no_alarm(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    set(&bench, 0, 60000);
    uint64_t before_ms = skep__clock_ms(bench.clock);
    pump_stall(STALL_MS);
    uv_update_time(&bench.pump->loop);
    skep__alarm_stop(&bench.alarms[0].alarm);
    assert_true(skep__clock_ms(bench.clock) - before_ms < 600);
    close_bench(&bench);
}

static void test_without_alarms_all_counts(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    uint64_t before_ms = skep__clock_ms(bench.clock);
    pump_stall(STALL_MS);
    uv_update_time(&bench.pump->loop);
    assert_true(skep__clock_ms(bench.clock) - before_ms >= STALL_MS - 10);
    close_bench(&bench);
}

static void pipe_readable(uv_poll_t *poll, int status, int events) {
    struct bench *bench = poll->data;
    (void)status;
    (void)events;
    bench->read = true;
    uv_poll_stop(poll);
}

static void ring_after_reading(struct skep__alarm *alarm) {
    struct bench *bench = ((struct alarm *)alarm)->bench;
    bench->rung++;
    assert_true(bench->read);
}

/* What arrived during a stall that counts is read before anybody is late on account of it. */
static void test_reading_comes_first(void **state) {
    struct bench bench;
    int ends[2];
    uv_poll_t poll;
    open_bench(&bench, *state);
    assert_int_equal(pipe(ends), 0);
    uv_poll_init(&bench.pump->loop, &poll, ends[0]);
    poll.data = &bench;
    uv_poll_start(&poll, UV_READABLE, pipe_readable);
    assert_int_equal(skep__alarm_set(bench.clock, &bench.alarms[0].alarm, 10, ring_after_reading), SKEP_OK);
    pump_turns(bench.pump, 1);
    assert_int_equal(write(ends[1], "", 1), 1);
    pump_stall(50);
    PUMP_UNTIL(bench.pump, bench.rung == 1);
    uv_close((uv_handle_t *)&poll, NULL);
    close_bench(&bench);
    close(ends[0]);
    close(ends[1]);
}

/* --- moved by hand --- */

static void open_still(struct bench *bench) {
    memset(bench, 0, sizeof *bench);
    for (unsigned i = 0; i < ALARMS; i++) bench->alarms[i].bench = bench;
    assert_int_equal(skep__clock_new_by_hand(&bench->clock), SKEP_OK);
}

static void test_it_stands_still_until_it_is_moved(void **state) {
    struct bench bench;
    (void)state;
    open_still(&bench);
    uint64_t began_ms = skep__clock_ms(bench.clock);
    assert_int_equal(skep__clock_next_ms(bench.clock), UINT64_MAX);
    set(&bench, 0, 100);
    set(&bench, 1, 50);
    pump_stall(60);
    assert_int_equal(skep__clock_ms(bench.clock), began_ms);
    assert_int_equal(skep__clock_ago_ms(bench.clock, 60), began_ms);
    assert_int_equal(skep__clock_next_ms(bench.clock), began_ms + 50);
    skep__clock_move(bench.clock, 49);
    assert_int_equal(bench.rung, 0);
    skep__clock_move(bench.clock, 1);
    assert_int_equal(bench.alarms[1].rung, 1);
    skep__clock_move(bench.clock, 1000);
    assert_int_equal(bench.alarms[0].place, 2);
    assert_int_equal(skep__clock_ms(bench.clock), began_ms + 1050);
    skep__clock_free(&bench.clock);
    assert_null(bench.clock);
}

static void ring_and_set_again(struct skep__alarm *alarm) {
    struct alarm *mine = (struct alarm *)alarm;
    assert_int_equal(skep__clock_ms(alarm->clock) % 10, 1); /* it begins at 1 */
    mine->rung++;
    assert_int_equal(skep__alarm_set(alarm->clock, alarm, 10, ring_and_set_again), SKEP_OK);
}

static void test_what_is_set_on_the_way_rings_too(void **state) {
    struct bench bench;
    (void)state;
    open_still(&bench);
    assert_int_equal(skep__alarm_set(bench.clock, &bench.alarms[0].alarm, 10, ring_and_set_again), SKEP_OK);
    skep__clock_move(bench.clock, 100);
    assert_int_equal(bench.alarms[0].rung, 10);
    skep__alarm_stop(&bench.alarms[0].alarm);
    skep__clock_move(bench.clock, 100);
    assert_int_equal(bench.alarms[0].rung, 10);
    skep__clock_free(&bench.clock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_it_stands_still_until_it_is_moved),
        PUMP_TEST(test_what_is_set_on_the_way_rings_too),
        PUMP_TEST(test_in_order),
        PUMP_TEST(test_not_too_early),
        PUMP_TEST(test_moved_and_stopped),
        PUMP_TEST(test_changed_while_ringing),
        PUMP_TEST(test_who_keeps_the_loop),
        PUMP_TEST(test_a_long_stall_does_not_count),
        PUMP_TEST(test_a_stall_and_then_no_alarm),
        PUMP_TEST(test_without_alarms_all_counts),
        PUMP_TEST(test_reading_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
