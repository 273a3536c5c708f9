/* SPDX-License-Identifier: MIT
 * Scaling: which places are filled and which are given up, what is told, and when the loop may end. */
#include "hive.h"
#include "roles.h"

#include <signal.h>

/* --- workers --- */

static void tell_variable(skep_worker *worker) {
    const char *variable = getenv("SKEP_TEST_VARIABLE");
    role_tell(worker, "variable", variable != NULL ? variable : "none");
}

static void answered(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    (void)worker;
    (void)status;
    (void)data;
    (void)size_bytes;
    (void)context;
}

/* Cannot leave before the primary has answered. */
static void wait_for_an_answer(skep_worker *worker) {
    role_need(skep_request(worker, 0, "wait", NULL, 0, HIVE_PATIENCE_MS * 6, answered, NULL), "request");
}

static void leave_by_itself(skep_worker *worker) {
    skep_disconnect(worker);
}

static const struct role roles[] = {
    {"idle", role_idle}, {"tell", tell_variable}, {"wait", wait_for_an_answer}, {"leave", leave_by_itself},
    {NULL, NULL},
};

/* --- the primary's side --- */

static void scale(struct hive *hive, unsigned workers) {
    if (skep_cluster_scale(hive->cluster, workers) != SKEP_OK) fail_msg("%s", skep_cluster_why(hive->cluster));
    assert_int_equal(skep_cluster_wanted(hive->cluster), workers);
}

static void wait_ready(struct hive *hive, size_t count) {
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 0) == count);
}

/* What is there to be done now. */
static void turn(struct hive *hive) {
    for (unsigned i = 0; i < 10; i++) uv_run(skep_cluster_loop(hive->cluster), UV_RUN_NOWAIT);
}

static uint32_t place_of(const struct hive *hive, uint32_t id) {
    return skep_child_slot(skep_child_by_id(hive->cluster, id));
}

static bool is_leaving(const struct hive *hive, uint32_t id) {
    return strcmp(skep_child_state(skep_child_by_id(hive->cluster, id)), "draining") == 0;
}

static void test_up_and_down(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork_ready(hive, "idle", NULL);
    scale(hive, 3);
    wait_ready(hive, 3);
    assert_int_equal(place_of(hive, 3), 2);
    scale(hive, 1);
    assert_true(is_leaving(hive, 2) && is_leaving(hive, 3));
    assert_false(is_leaving(hive, 1));
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 2);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->reason, "voluntary");
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 3)->delay_ms, -1);
    scale(hive, 1); /* tells nothing */
    HIVE_UNTIL(hive, skep_child_count(hive->cluster) == 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 3);
    assert_int_equal(hive_count(hive, SKEP_EVENT_SCALE, 0), 2);
    const struct seen *told = hive_find(hive, SKEP_EVENT_SCALE, 0);
    assert_int_equal(told->steps, 1);
    assert_int_equal(told->step, 3);
    assert_true(told < hive_find(hive, SKEP_EVENT_FORK, 2));
}

/* A new place is like the first; one that was there before keeps its own environment. */
static void test_environment(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork_ready(hive, "tell", "SKEP_TEST_VARIABLE=first");
    hive_fork_ready(hive, "tell", "SKEP_TEST_VARIABLE=second");
    scale(hive, 3);
    HIVE_UNTIL(hive, hive_message(hive, 3, "variable") != NULL);
    assert_string_equal(hive_message(hive, 3, "variable")->text, "first");
    scale(hive, 1);
    scale(hive, 2);
    HIVE_UNTIL(hive, hive_message(hive, 4, "variable") != NULL);
    assert_string_equal(hive_message(hive, 4, "variable")->text, "second");
}

/* The place of one that leaves is free while it is still busy, and its end changes nothing any more. */
static void test_a_busy_worker_holds_no_place(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true, .drain_timeout_ms = HIVE_PATIENCE_MS * 6});
    hive_fork(hive, "wait", NULL);
    hive_fork(hive, "wait", NULL);
    HIVE_UNTIL(hive, hive_message(hive, 1, "wait") != NULL && hive_message(hive, 2, "wait") != NULL);
    scale(hive, 1);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_DRAIN, 2) != NULL);
    scale(hive, 2);
    HIVE_UNTIL(hive, hive_message(hive, 3, "wait") != NULL);
    assert_int_equal(place_of(hive, 3), 1);
    assert_true(is_leaving(hive, 2));
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 2), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 2);
    assert_int_equal(skep_child_count(hive->cluster), 2);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 3), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, 4, "wait") != NULL); /* the place has its replacement */
    assert_int_equal(place_of(hive, 4), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 4);
}

/* Whoever leaves of its own accord is not wanted any more, and its place is the first to be filled. */
static void test_the_lowest_place_is_filled(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    for (unsigned i = 0; i < 3; i++) hive_fork_ready(hive, "idle", NULL);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    assert_int_equal(skep_cluster_wanted(hive->cluster), 2);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    scale(hive, 3);
    wait_ready(hive, 4);
    assert_int_equal(place_of(hive, 4), 0);
}

/* A replacement that is due counts, and is what scaling down drops first. */
static void test_a_replacement_that_waits(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork_ready(hive, "idle", NULL);
    skep_child *child = hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_child_kill(child, SIGTERM), SKEP_OK); /* before it was stable: its successor waits */
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    assert_true(hive_find(hive, SKEP_EVENT_EXIT, 2)->delay_ms > 0);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 2);
    scale(hive, 1);
    assert_false(is_leaving(hive, 1));
    skep_cluster_stop(hive->cluster, false);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 2);
}

/* Nobody is there, and the loop goes on until it is stopped. */
static void test_to_0_and_back(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork_ready(hive, "idle", NULL);
    scale(hive, 0);
    HIVE_LOOK_UNTIL(hive, skep_child_count(hive->cluster) == 0);
    turn(hive);
    assert_true(uv_loop_alive(skep_cluster_loop(hive->cluster)));
    scale(hive, 2);
    wait_ready(hive, 3);
    scale(hive, 0);
    HIVE_LOOK_UNTIL(hive, skep_child_count(hive->cluster) == 0);
    skep_cluster_stop(hive->cluster, false);
    hive_run_dry(hive);
}

/* As without scaling: the loop ends with the last that leaves of its own accord. */
static void test_all_leave_after_scaling(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    scale(hive, 0);
    hive_fork(hive, "leave", NULL);
    scale(hive, 2);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_EXIT, 0), 2);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 0);
}

/* Without respawn nobody is wanted any more whose worker has ended. */
static void test_wanted_without_respawn(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_child_kill(child, SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 0);
}

static void test_what_is_refused(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_cluster_scale(hive->cluster, 1001), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(hive->cluster), "1001 workers: at most 1000");
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.respawn = true, .exec = "/no/such/program"}),
                     SKEP_OK);
    assert_int_equal(skep_cluster_scale(hive->cluster, 3), SKEP_ENOTFOUND);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
    skep_cluster_stop(hive->cluster, false);
    assert_int_equal(skep_cluster_scale(hive->cluster, 2), SKEP_ESTATE);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_SCALE, 0), 2); /* to 3, and back to 1 */
}

/* --- signals --- */

static void test_signals(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    assert_int_equal(skep_cluster_steer_on_signals(hive->cluster), SKEP_OK);
    assert_int_equal(skep_cluster_steer_on_signals(hive->cluster), SKEP_OK);
    hive_fork_ready(hive, "idle", NULL);
    kill(getpid(), SIGTTIN);
    wait_ready(hive, 2);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 2);
    for (unsigned left = 2; left > 0; left--) {
        kill(getpid(), SIGTTOU);
        HIVE_LOOK_UNTIL(hive, skep_cluster_wanted(hive->cluster) == left - 1);
    }
    HIVE_LOOK_UNTIL(hive, skep_child_count(hive->cluster) == 0);
    kill(getpid(), SIGTTOU); /* none is fewer than none */
    turn(hive);
    kill(getpid(), SIGTTIN);
    wait_ready(hive, 3);
    skep_cluster_stop(hive->cluster, false);
    kill(getpid(), SIGTTIN);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_ERROR, 0) != NULL);
    assert_string_equal(hive_find(hive, SKEP_EVENT_ERROR, 0)->reason, "SIGTTIN: the cluster is stopping");
    hive_run_dry(hive);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_up_and_down),
        HIVE_TEST(test_environment),
        HIVE_TEST(test_a_busy_worker_holds_no_place),
        HIVE_TEST(test_the_lowest_place_is_filled),
        HIVE_TEST(test_a_replacement_that_waits),
        HIVE_TEST(test_to_0_and_back),
        HIVE_TEST(test_all_leave_after_scaling),
        HIVE_TEST(test_wanted_without_respawn),
        HIVE_TEST(test_what_is_refused),
        HIVE_TEST(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
