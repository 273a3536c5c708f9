/* SPDX-License-Identifier: MIT
 * The watchdog: who is killed, and who is not. */
#include "broker/hatch.h"

#include <signal.h>
#include <sys/wait.h>

#include "contract.h"
#include "worker/private.h"

enum { WATCHDOG_MS = 100, LONG_MS = 400, BEAT_MS = 10 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child;
    struct skep_page page;
    uv_timer_t beat;
    char error[128];
};

static void error_told(skep_cluster *cluster, const skep_event *event, void *context) {
    struct bench *bench = context;
    (void)cluster;
    snprintf(bench->error, sizeof bench->error, "%s", event->reason);
}

/* A worker whose process does nothing; only its page says that it lives. */
static pid_t start_process(void) {
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void open_bench(struct bench *bench, struct pump *pump, unsigned watchdog_ms) {
    memset(bench, 0, sizeof *bench);
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, &(skep_settings){.watchdog_ms = watchdog_ms});
    bench->child = hatch_child(bench->cluster, 0);
    bench->child->pid = start_process();
    bench->child->page = &bench->page;
    bench->child->link = 0;
    uv_timer_init(&pump->loop, &bench->beat);
    bench->beat.data = bench;
    assert_int_equal(skep_on(bench->cluster, SKEP_EVENT_ERROR, error_told, bench), SKEP_OK);
}

static void close_bench(struct bench *bench) {
    skep__watchdog_stop(bench->child);
    uv_close((uv_handle_t *)&bench->beat, NULL);
    kill(bench->child->pid, SIGKILL);
    if (!bench->child->exited) waitpid(bench->child->pid, NULL, 0);
    hatch_free_child(bench->child);
    hatch_free(bench->pump, &bench->cluster);
}

static bool has_ended(struct bench *bench) {
    if (!bench->child->exited && waitpid(bench->child->pid, NULL, WNOHANG) > 0) bench->child->exited = true;
    return bench->child->exited;
}

static void beat(uv_timer_t *timer) {
    ((struct bench *)timer->data)->page.beats++;
}

static void run_for(struct bench *bench, uint64_t ms) {
    uint64_t since_ms = uv_now(&bench->pump->loop);
    PUMP_LOOK_UNTIL(bench->pump, uv_now(&bench->pump->loop) - since_ms >= ms);
}

static void expect_spared(struct bench *bench) {
    run_for(bench, LONG_MS);
    assert_false(has_ended(bench));
    assert_string_equal(bench->error, "");
    assert_null(bench->child->reason);
}

static void test_a_silent_one_is_killed(void **state) {
    struct bench bench;
    open_bench(&bench, *state, WATCHDOG_MS);
    assert_int_equal(skep__watchdog_start(bench.child), WATCHDOG_MS / 4);
    bench.page.beats = 1;
    PUMP_LOOK_UNTIL(bench.pump, bench.child->reason != NULL && has_ended(&bench));
    assert_string_equal(bench.child->reason, "watchdog");
    assert_string_equal(bench.error, "its event loop was blocked for 100 ms; killed");
    close_bench(&bench);
}

static void test_one_that_leaves_is_watched_too(void **state) {
    struct bench bench;
    open_bench(&bench, *state, WATCHDOG_MS);
    bench.page.beats = 1;
    bench.child->state = SKEP__CHILD_DRAINING;
    bench.child->voluntary = true;
    assert_int_equal(skep__watchdog_start(bench.child), WATCHDOG_MS / 4);
    PUMP_LOOK_UNTIL(bench.pump, has_ended(&bench));
    assert_string_equal(bench.child->reason, "watchdog");
    close_bench(&bench);
}

/* For a while; then it is killed for having stopped. */
static void test_one_that_beats_is_spared(void **state) {
    struct bench bench;
    open_bench(&bench, *state, WATCHDOG_MS);
    uv_timer_start(&bench.beat, beat, BEAT_MS, BEAT_MS);
    assert_int_equal(skep__watchdog_start(bench.child), WATCHDOG_MS / 4);
    expect_spared(&bench);
    uv_timer_stop(&bench.beat);
    PUMP_LOOK_UNTIL(bench.pump, has_ended(&bench));
    close_bench(&bench);
}

static void test_one_that_never_beat_is_spared(void **state) {
    struct bench bench;
    open_bench(&bench, *state, WATCHDOG_MS);
    assert_int_equal(skep__watchdog_start(bench.child), WATCHDOG_MS / 4);
    expect_spared(&bench);
    close_bench(&bench);
}

static void test_one_that_is_starting_is_spared(void **state) {
    struct bench bench;
    open_bench(&bench, *state, WATCHDOG_MS);
    bench.page.beats = 1;
    bench.child->state = SKEP__CHILD_ONLINE;
    assert_int_equal(skep__watchdog_start(bench.child), WATCHDOG_MS / 4);
    expect_spared(&bench);
    close_bench(&bench);
}

static void test_one_that_closed_its_link_is_spared(void **state) {
    struct bench bench;
    open_bench(&bench, *state, WATCHDOG_MS);
    bench.page.beats = 1;
    bench.child->state = SKEP__CHILD_DRAINING;
    bench.child->link = -1;
    assert_int_equal(skep__watchdog_start(bench.child), WATCHDOG_MS / 4);
    expect_spared(&bench);
    close_bench(&bench);
}

static void test_nobody_is_watched(void **state) {
    struct bench bench;
    open_bench(&bench, *state, 0);
    bench.page.beats = 1;
    assert_int_equal(skep__watchdog_start(bench.child), 0);
    expect_spared(&bench);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_silent_one_is_killed),
        PUMP_TEST(test_one_that_leaves_is_watched_too),
        PUMP_TEST(test_one_that_beats_is_spared),
        PUMP_TEST(test_one_that_never_beat_is_spared),
        PUMP_TEST(test_one_that_is_starting_is_spared),
        PUMP_TEST(test_one_that_closed_its_link_is_spared),
        PUMP_TEST(test_nobody_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
