/* SPDX-License-Identifier: MIT
 * Leaving: asked for or not, by whom, in what time, and what is left behind. */
#include "hive.h"
#include "roles.h"

#include <errno.h>
#include <signal.h>

/* --- workers --- */

static void left(skep_worker *worker, void *context) {
    role_tell(worker, "leaving", context);
}

static void tell_when_leaving(skep_worker *worker) {
    skep_on_leave(worker, left, "told");
}

static void leave_by_itself(skep_worker *worker) {
    skep_on_leave(worker, left, "by itself");
    skep_disconnect(worker);
    skep_disconnect(worker);
}

static void answered(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    (void)data;
    (void)size_bytes;
    (void)context;
    role_tell(worker, "answered", skep_status_name(status));
}

/* Cannot leave before the primary has answered. */
static void wait_for_an_answer(skep_worker *worker) {
    role_need(skep_request(worker, 0, "wait", NULL, 0, HIVE_PATIENCE_MS * 6, answered, NULL), "request");
}

static void never(uv_timer_t *timer) {
    (void)timer;
}

/* Its own timer keeps its process when the link is closed already. */
static void linger(skep_worker *worker) {
    static uv_timer_t timer;
    uv_timer_init(skep_worker_loop(worker), &timer);
    uv_timer_start(&timer, never, 3600000, 0);
}

static void linger_in_spite_of_sigterm(skep_worker *worker) {
    signal(SIGTERM, SIG_IGN);
    linger(worker);
}

static const struct role roles[] = {
    {"idle", role_idle},
    {"tell", tell_when_leaving},
    {"leave", leave_by_itself},
    {"wait", wait_for_an_answer},
    {"linger", linger},
    {"stubborn", linger_in_spite_of_sigterm},
    {NULL, NULL},
};

/* --- one worker --- */

static void expect_exit(const struct hive *hive, uint32_t id, int code, int signal, const char *reason, int asked) {
    const struct seen *seen = hive_find(hive, SKEP_EVENT_EXIT, id);
    assert_non_null(seen);
    assert_int_equal(seen->code, code);
    assert_int_equal(seen->signal, signal);
    assert_string_equal(seen->reason, reason);
    assert_int_equal(seen->after_disconnect, asked);
}

static void test_a_worker_leaves_by_itself(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork(hive, "leave", NULL);
    hive_run_dry(hive);
    expect_exit(hive, 1, 0, -1, "voluntary", 1);
    assert_int_equal(hive_messages(hive, 1, "leaving"), 1);
    assert_string_equal(hive_message(hive, 1, "leaving")->text, "by itself");
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 1), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 0);
}

static void test_a_worker_is_asked_to_leave(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "tell", NULL);
    assert_string_equal(skep_child_state(child), "ready");
    assert_int_equal(skep_child_exited_after_disconnect(child), -1);
    skep_child_disconnect(child);
    skep_child_disconnect(child);
    assert_string_equal(skep_child_state(child), "draining");
    assert_int_equal(skep_child_exited_after_disconnect(child), -1);
    hive_run_dry(hive);
    expect_exit(hive, 1, 0, -1, "voluntary", 1);
    assert_int_equal(hive_messages(hive, 1, "leaving"), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 1), 1);
}

/* Before the worker's program has even begun. */
static void test_a_worker_is_asked_to_leave_at_once(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "tell", NULL);
    assert_string_equal(skep_child_state(child), "spawning");
    skep_child_disconnect(child);
    hive_run_dry(hive);
    expect_exit(hive, 1, 0, -1, "voluntary", 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ONLINE, 1), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_READY, 1), 0);
    assert_int_equal(hive_messages(hive, 1, "leaving"), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 0);
}

static void test_what_events_find(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "idle", NULL);
    assert_true(skep_child_is_connected(child));
    assert_false(skep_child_is_dead(child));
    assert_ptr_equal(skep_child_cluster(child), hive->cluster);
    assert_true(skep_child_pid(child) > 1);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, 1) != NULL);
    skep_child_disconnect(child);
    hive_run_dry(hive);
    assert_string_equal(hive_find(hive, SKEP_EVENT_FORK, 1)->state, "spawning");
    assert_string_equal(hive_find(hive, SKEP_EVENT_ONLINE, 1)->state, "online");
    assert_string_equal(hive_find(hive, SKEP_EVENT_READY, 1)->state, "ready");
    assert_string_equal(hive_find(hive, SKEP_EVENT_DRAIN, 1)->state, "draining");
    assert_true(hive_find(hive, SKEP_EVENT_DRAIN, 1)->connected);
    assert_false(hive_find(hive, SKEP_EVENT_DISCONNECT, 1)->connected);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->state, "gone");
    assert_true(hive_find(hive, SKEP_EVENT_EXIT, 1)->dead);
    assert_false(hive_find(hive, SKEP_EVENT_EXIT, 1)->connected);
}

static void test_a_killed_worker_was_not_asked(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_child_kill(child, 12345), SKEP_EINVAL);
    assert_int_equal(skep_child_kill(child, 0), SKEP_OK);
    assert_int_equal(skep_child_kill(child, SIGTERM), SKEP_OK);
    hive_run_dry(hive);
    expect_exit(hive, 1, -1, SIGTERM, "crashed", 0);
}

/* From elsewhere it asks. To whoever starts workers again by himself this is an end that he did not ask for. */
static void test_a_sigterm_from_elsewhere(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(kill(skep_child_pid(child), SIGTERM), 0);
    hive_run_dry(hive);
    expect_exit(hive, 1, 0, -1, "voluntary", 0);
}

static void test_a_sigterm_from_elsewhere_with_respawn(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    skep_child *child = hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(kill(skep_child_pid(child), SIGTERM), 0);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL && hive_find(hive, SKEP_EVENT_READY, 2) != NULL);
    expect_exit(hive, 1, 0, -1, "voluntary", 0);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->delay_ms, -1);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 2)), 0);
}

/* --- deadlines --- */

static void test_a_worker_that_lingers_is_pressed(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.drain_timeout_ms = 50});
    skep_child_disconnect(hive_fork_ready(hive, "linger", NULL));
    skep_child_disconnect(hive_fork_ready(hive, "stubborn", NULL));
    hive_run_dry(hive);
    expect_exit(hive, 1, -1, SIGTERM, "drain-timeout", 1);
    expect_exit(hive, 2, -1, SIGKILL, "drain-timeout", 1);
    for (uint32_t id = 1; id <= 2; id++) {
        assert_int_equal(hive_count(hive, SKEP_EVENT_DISCONNECT, id), 1);
        assert_int_equal(hive_count(hive, SKEP_EVENT_EXIT, id), 1);
        assert_non_null(
            strstr(hive_find(hive, SKEP_EVENT_ERROR, id)->reason, "did not exit within the drain timeout (0.05 s)"));
    }
}

/* --- all of them --- */

struct call {
    unsigned times;
    size_t connected; /* workers whose link was up then */
};

static void disconnected(skep_cluster *cluster, void *context) {
    struct call *call = context;
    call->times++;
    for (skep_child *c = skep_child_next(cluster, NULL); c != NULL; c = skep_child_next(cluster, c))
        call->connected += skep_child_is_connected(c);
}

static void test_disconnect_calls_back_when_all_have(void **state) {
    struct hive *hive = *state;
    struct call call = {0};
    hive_start(hive, NULL);
    hive_fork_ready(hive, "idle", NULL);
    skep_child *second = hive_fork_ready(hive, "wait", NULL);
    HIVE_UNTIL(hive, hive_message(hive, 2, "wait") != NULL);
    uint64_t request = hive_message(hive, 2, "wait")->request;
    skep_cluster_disconnect(hive->cluster, disconnected, &call);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    assert_int_equal(call.times, 0);
    assert_true(skep_child_is_connected(second));
    assert_int_equal(skep_child_reply(second, request, SKEP_OK, NULL, 0), SKEP_OK);
    hive_run_dry(hive);
    assert_int_equal(call.times, 1);
    assert_int_equal(call.connected, 0);
    expect_exit(hive, 1, 0, -1, "voluntary", 1);
    expect_exit(hive, 2, 0, -1, "voluntary", 1);
}

static void test_disconnect_calls_back_later(void **state) {
    struct hive *hive = *state;
    struct call call = {0};
    hive_start(hive, NULL);
    skep_cluster_disconnect(hive->cluster, disconnected, &call);
    assert_int_equal(call.times, 0);
    HIVE_UNTIL(hive, call.times > 0);
    hive_run_dry(hive);
    assert_int_equal(call.times, 1);
    skep_cluster_disconnect(hive->cluster, NULL, NULL);
    hive_run_dry(hive);
    assert_int_equal(call.times, 1);
}

/* The cluster can be used again, as in Node. */
static void test_fork_after_disconnect(void **state) {
    struct hive *hive = *state;
    struct call call = {0};
    hive_start(hive, NULL);
    hive_fork_ready(hive, "idle", NULL);
    skep_cluster_disconnect(hive->cluster, disconnected, &call);
    HIVE_UNTIL(hive, call.times == 1);
    assert_int_equal(skep_child_id(hive_fork_ready(hive, "idle", NULL)), 2);
    assert_int_equal(call.times, 1);
}

/* --- the end of the cluster --- */

static void test_stop_drains(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "tell", NULL);
    hive_fork_ready(hive, "tell", NULL);
    skep_cluster_stop(hive->cluster, false);
    assert_int_equal(hive_count(hive, SKEP_EVENT_STOP, 0), 0);
    assert_int_equal(skep_fork(hive->cluster, NULL, NULL), SKEP_ESTATE);
    assert_string_equal(skep_cluster_why(hive->cluster), "the cluster is stopping");
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_STOP, 0), 1);
    assert_int_equal(hive_messages(hive, 0, "leaving"), 2);
    expect_exit(hive, 1, 0, -1, "voluntary", 1);
    expect_exit(hive, 2, 0, -1, "voluntary", 1);
    assert_int_equal(skep_child_count(hive->cluster), 0);
}

static void test_stop_at_once_kills(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "idle", NULL);
    hive_fork(hive, "idle", NULL);
    skep_cluster_stop(hive->cluster, true);
    hive_run_dry(hive);
    expect_exit(hive, 1, -1, SIGKILL, "killed", 0);
    expect_exit(hive, 2, -1, SIGKILL, "killed", 0);
}

static void test_signals_stop(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "idle", NULL);
    hive_fork_ready(hive, "wait", NULL);
    assert_int_equal(skep_cluster_stop_on_signals(hive->cluster), SKEP_OK);
    assert_int_equal(skep_cluster_stop_on_signals(hive->cluster), SKEP_OK);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    expect_exit(hive, 1, 0, -1, "voluntary", 1);
    assert_null(hive_find(hive, SKEP_EVENT_EXIT, 2));
    assert_int_equal(kill(getpid(), SIGINT), 0);
    hive_run_dry(hive);
    expect_exit(hive, 2, -1, SIGKILL, "killed", 1);
}

static void test_free_leaves_no_process(void **state) {
    struct hive *hive = *state;
    pid_t pids[3];
    hive_start(hive, NULL);
    pids[0] = skep_child_pid(hive_fork_ready(hive, "idle", NULL));
    pids[1] = skep_child_pid(hive_fork_ready(hive, "stubborn", NULL));
    pids[2] = skep_child_pid(hive_fork(hive, "idle", NULL));
    assert_true(hive_files(hive->dir) > 0);
    hive_end(hive);
    assert_null(hive->cluster);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(kill(pids[i], 0), -1);
        assert_int_equal(errno, ESRCH);
    }
    assert_int_equal(hive_files(hive->dir), 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_EXIT, 0), 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_a_worker_leaves_by_itself),
        HIVE_TEST(test_a_worker_is_asked_to_leave),
        HIVE_TEST(test_a_worker_is_asked_to_leave_at_once),
        HIVE_TEST(test_what_events_find),
        HIVE_TEST(test_a_killed_worker_was_not_asked),
        HIVE_TEST(test_a_sigterm_from_elsewhere),
        HIVE_TEST(test_a_sigterm_from_elsewhere_with_respawn),
        HIVE_TEST(test_a_worker_that_lingers_is_pressed),
        HIVE_TEST(test_disconnect_calls_back_when_all_have),
        HIVE_TEST(test_disconnect_calls_back_later),
        HIVE_TEST(test_fork_after_disconnect),
        HIVE_TEST(test_stop_drains),
        HIVE_TEST(test_stop_at_once_kills),
        HIVE_TEST(test_signals_stop),
        HIVE_TEST(test_free_leaves_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
