/* SPDX-License-Identifier: MIT
 * Rolling reload and the restart of one worker: the order of things, what aborts it, and who runs what then. */
#include "renewal.h"

/* --- done --- */

static void test_each_is_ready_before_the_old_one_leaves(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 3, NULL);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_OK);
    assert_null(phase(hive, "begun"));
    await(hive, "done");
    for (uint32_t id = 1; id <= 3; id++) {
        expect_exit(hive, id, "voluntary");
        assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->delay_ms, -1);
        expect_order(hive, SKEP_EVENT_READY, id + 3, SKEP_EVENT_DRAIN, id);
        assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, id + 3)), id - 1);
        if (id < 3) expect_order(hive, SKEP_EVENT_READY, id + 3, SKEP_EVENT_FORK, id + 4);
    }
    expect_phase(hive, "begun", 0, 3, "replacing 3 workers");
    expect_phase(hive, "step", 1, 3, "worker 4 replaces worker 1");
    expect_phase(hive, "done", 3, 3, "3 workers replaced");
    assert_int_equal(phase(hive, "step")->worker, 4);
    assert_int_equal(hive_count(hive, SKEP_EVENT_RELOAD, 0), 5);
    assert_int_equal(skep_child_count(hive->cluster), 3);
}

static void test_some_at_a_time(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 3, NULL);
    assert_int_equal(reload_onto(hive, "new", 2), SKEP_OK);
    await(hive, "done");
    expect_order(hive, SKEP_EVENT_FORK, 5, SKEP_EVENT_READY, 4);
    assert_true(hive_find(hive, SKEP_EVENT_FORK, 6) > phase(hive, "step"));
}

static void test_the_new_program_is_that_of_later_replacements(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 1, NULL);
    assert_string_equal(program_of(hive, 1), "old");
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
    assert_string_equal(program_of(hive, 2), "new");
    assert_string_equal(skep_cluster_settings(hive->cluster)->args[0], "new");
    kill_for(hive, 2, 3);
    assert_string_equal(program_of(hive, 3), "new");
}

static void test_another_reload_afterwards(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(reload_onto(hive, round % 2 == 1 ? "new" : "old", 0), SKEP_OK);
        HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_RELOAD, 0) == (size_t)round * 4);
    }
    assert_string_equal(program_of(hive, 8), "new");
}

static void test_one_worker(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 3, NULL);
    skep_child *second = skep_child_by_id(hive->cluster, 2);
    assert_int_equal(skep_child_restart(second), SKEP_OK);
    await(hive, "done");
    assert_int_equal(skep_child_restart(second), SKEP_ESTATE);
    assert_string_equal(skep_cluster_why(hive->cluster), "worker 2 is leaving");
    expect_exit(hive, 2, "voluntary");
    expect_phase(hive, "done", 1, 1, "1 worker replaced");
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 4)), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 0), 1);
    assert_string_equal(program_of(hive, 4), "old");
}

static void test_a_crash_loop_is_mended(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &usual);
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 4); /* the next try is due in more than half a second */
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
    expect_phase(hive, "step", 1, 1, "worker 5 fills an empty place");
    assert_string_equal(program_of(hive, 5), "new");
    assert_int_equal(skep_child_count(hive->cluster), 1);
}

static void test_it_closes_the_breaker(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true, .failures = 2});
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_BREAKER, 0) == 1);
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
    const struct seen *opened = hive_find(hive, SKEP_EVENT_BREAKER, 0), *closed = opened + 1;
    while (closed->kind != SKEP_EVENT_BREAKER && closed < phase(hive, "done")) closed++;
    assert_string_equal(closed->phase, "closed");
    assert_string_equal(closed->reason, "all workers were replaced");
}

/* --- aborted --- */

static void expect_nobody_left(struct hive *hive, uint32_t workers) {
    for (uint32_t id = 1; id <= workers; id++) {
        assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, id)), "ready");
        assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, id), 0);
    }
}

static void test_a_program_that_does_not_start(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "fail", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 2, "worker 3 exited with status 3 before it was ready");
    assert_int_equal(phase(hive, "aborted")->worker, 3);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->delay_ms, -1);
    expect_nobody_left(hive, 2);
    kill_for(hive, 1, 4);
    assert_string_equal(program_of(hive, 4), "old");
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 4);
}

static void test_a_program_that_is_not_there(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = "/no/such/program"}), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 2, "/no/such/program: program not found");
    assert_int_equal(phase(hive, "aborted")->worker, 0);
    expect_nobody_left(hive, 2);
    assert_int_equal(reload_onto(hive, "new", 0), SKEP_OK);
    await(hive, "done");
}

static void test_a_program_that_never_gets_ready(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 1, NULL);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.respawn = true, .ready_timeout_ms = 100}), 0);
    assert_int_equal(reload_onto(hive, "hang", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 1, "worker 2 was not ready after 100 ms");
    expect_exit(hive, 2, "not-ready");
    expect_nobody_left(hive, 1);
}

/* What was replaced already goes on, and is replaced back when it ends. */
static void test_a_failure_half_way(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "fail-unless-third", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 1, 2, "worker 4 exited with status 3 before it was ready");
    expect_exit(hive, 1, "voluntary");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 2)), "ready");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 3)), "ready");
    kill_for(hive, 3, 5);
    assert_string_equal(program_of(hive, 5), "old");
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 5)), 0);
}

static void test_a_crash_after_ready(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "hang-unless-third", 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_FORK, 4) != NULL);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 3), SIGKILL), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 2, "worker 3 was killed by SIGKILL after it was ready");
    expect_exit(hive, 4, "reload");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, 5) != NULL);
    assert_string_equal(program_of(hive, 5), "old");
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 2)), "ready");
}

static void test_the_others_of_a_failing_generation_are_killed(void **state) {
    struct hive *hive = *state;
    begin(hive, &usual, 2, NULL);
    assert_int_equal(reload_onto(hive, "fail-or-hang", 2), SKEP_OK);
    await(hive, "aborted");
    expect_exit(hive, 3, "reload");
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->signal, SIGKILL);
    assert_int_equal(hive_count(hive, SKEP_EVENT_RELOAD, 0), 2);
    expect_nobody_left(hive, 2);
}

/* It may have accepted connections from the socket that it shares: it finishes them. */
static void test_one_that_listens_already_may_finish(void **state) {
    struct hive *hive = *state;
    begin(hive, &(skep_settings){.respawn = true, .policy = SKEP_POLICY_SHARED, .drain_timeout_ms = 100}, 2, NULL);
    assert_int_equal(reload_onto(hive, "listen-and-hang", 2), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_LISTENING, 3) != NULL);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_FORK, 4) != NULL);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 4), SIGKILL), SKEP_OK);
    await(hive, "aborted");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 3) != NULL);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 3), 1);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->signal, SIGTERM);
    expect_nobody_left(hive, 2);
}

static void test_an_empty_place_stays_due(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &usual);
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 3); /* the next try is due in 300 ms or more */
    assert_int_equal(reload_onto(hive, "fail", 0), SKEP_OK);
    await(hive, "aborted");
    expect_phase(hive, "aborted", 0, 1, "worker 4 exited with status 3 before it was ready");
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 5);
}

/* --- no reload --- */

static void test_what_is_refused(void **state) {
    struct hive *hive = *state;
    static char long_path[8192];
    memset(long_path, 'x', sizeof long_path - 1);
    hive_start(hive, &usual);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_ESTATE);
    assert_string_equal(skep_cluster_why(hive->cluster), "no worker is wanted");
    skep_child *child = hive_fork_ready(hive, "old", NULL);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = ""}), SKEP_EINVAL);
    assert_int_equal(skep_cluster_reload(hive->cluster, &(skep_reload_options){.exec = long_path}), SKEP_EINVAL);
    skep_child_disconnect(child);
    assert_int_equal(skep_child_restart(child), SKEP_ESTATE);
    assert_int_equal(reload_onto(hive, NULL, 0), SKEP_ESTATE);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_RELOAD, 0), 0);
}

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_each_is_ready_before_the_old_one_leaves),
        HIVE_TEST(test_some_at_a_time),
        HIVE_TEST(test_the_new_program_is_that_of_later_replacements),
        HIVE_TEST(test_another_reload_afterwards),
        HIVE_TEST(test_one_worker),
        HIVE_TEST(test_a_crash_loop_is_mended),
        HIVE_TEST(test_it_closes_the_breaker),
        HIVE_TEST(test_a_program_that_does_not_start),
        HIVE_TEST(test_a_program_that_is_not_there),
        HIVE_TEST(test_a_program_that_never_gets_ready),
        HIVE_TEST(test_a_failure_half_way),
        HIVE_TEST(test_a_crash_after_ready),
        HIVE_TEST(test_the_others_of_a_failing_generation_are_killed),
        HIVE_TEST(test_one_that_listens_already_may_finish),
        HIVE_TEST(test_an_empty_place_stays_due),
        HIVE_TEST(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv) {
    return reload_main(argc, argv, run_all);
}
