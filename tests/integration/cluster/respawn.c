/* SPDX-License-Identifier: MIT
 * Replacements: which workers get one, when, in which place, and as what. */
#include "hive.h"
#include "roles.h"

#include <signal.h>

/* --- workers --- */

static void exit_with_1(skep_worker *worker) {
    (void)worker;
    _exit(1);
}

static void be_unstartable(skep_worker *worker) {
    (void)worker;
    _exit(78);
}

static void exit_when_told(skep_worker *worker, const skep_message *message, void *context) {
    (void)worker;
    (void)message;
    (void)context;
    _exit(78);
}

static void become_unstartable_later(skep_worker *worker) {
    skep_on_message(worker, exit_when_told, NULL);
}

/* Runs its loop, and never says that it is ready. */
static void never_get_ready(skep_worker *worker) {
    uv_run(skep_worker_loop(worker), UV_RUN_DEFAULT);
}

static void tell_variable(skep_worker *worker) {
    role_tell(worker, "variable", getenv("SKEP_TEST_VARIABLE"));
}

static const struct role roles[] = {
    {"idle", role_idle},
    {"fail", exit_with_1},
    {"unstartable", be_unstartable},
    {"later", become_unstartable_later},
    {"never-ready", never_get_ready},
    {"tell", tell_variable},
    {NULL, NULL},
};

/* --- the primary's side --- */

static void wait_until_healthy(struct hive *hive, uint32_t id) {
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, id) != NULL);
    uint64_t since_ms = uv_now(skep_cluster_loop(hive->cluster));
    HIVE_LOOK_UNTIL(hive, uv_now(skep_cluster_loop(hive->cluster)) - since_ms > 60);
}

static int64_t delay_of(const struct hive *hive, uint32_t id) {
    return hive_find(hive, SKEP_EVENT_EXIT, id)->delay_ms;
}

static void test_a_healthy_worker_is_replaced_at_once(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork(hive, "idle", NULL);
    skep_child *child = hive_fork(hive, "tell", "SKEP_TEST_VARIABLE=kept");
    wait_until_healthy(hive, 2);
    assert_int_equal(skep_child_slot(child), 1);
    assert_int_equal(skep_child_kill(child, SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, 3, "variable") != NULL);
    assert_string_equal(hive_message(hive, 3, "variable")->text, "kept");
    assert_int_equal(delay_of(hive, 2), 0);
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 3)), 1);
    assert_int_equal(skep_child_count(hive->cluster), 2);
}

/* The delay doubles with each, and varies by a quarter. */
static void test_quick_failures_wait(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 3);
    assert_in_range(delay_of(hive, 1), 75, 125);
    assert_in_range(delay_of(hive, 2), 150, 250);
    assert_in_range(delay_of(hive, 3), 300, 500);
    skep_cluster_stop(hive->cluster, false);
    hive_run_dry(hive); /* the replacement that was due is not started */
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 3);
}

static void test_siblings_are_left_alone(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork_ready(hive, "idle", NULL);
    hive_fork(hive, "fail", NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 2);
    assert_string_equal(skep_child_state(skep_child_by_id(hive->cluster, 1)), "ready");
    assert_int_equal(hive_count(hive, SKEP_EVENT_EXIT, 1), 0);
}

static void test_who_is_not_replaced(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    hive_fork(hive, "unstartable", NULL);
    skep_child_disconnect(hive_fork_ready(hive, "idle", NULL));
    hive_run_dry(hive);
    assert_int_equal(delay_of(hive, 1), -1);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 78);
    assert_int_equal(delay_of(hive, 2), -1);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 2);
}

/* The status means that only before the worker was ready. */
static void test_unstartable_after_ready(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    skep_child *child = hive_fork_ready(hive, "later", NULL);
    assert_int_equal(skep_child_send(child, "now", NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_READY, 2) != NULL);
    assert_true(delay_of(hive, 1) >= 0);
}

static void test_nobody_is_replaced_by_default(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork(hive, "fail", NULL);
    hive_run_dry(hive);
    assert_int_equal(delay_of(hive, 1), -1);
}

static void test_a_worker_that_never_gets_ready(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.ready_timeout_ms = 200});
    hive_fork(hive, "never-ready", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->signal, SIGKILL);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->reason, "not-ready");
    assert_string_equal(hive_find(hive, SKEP_EVENT_ERROR, 1)->reason, "not ready after 200 ms");
    assert_true(hive_find(hive, SKEP_EVENT_EXIT, 1)->uptime_ms >= 200);
}

/* A replacement that cannot be started is an error, and is tried again. */
static void test_no_program_any_more(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.respawn = true});
    skep_child *child = hive_fork(hive, "idle", NULL);
    wait_until_healthy(hive, 1);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.respawn = true, .exec = "/no/such/program"}),
                     SKEP_OK);
    assert_int_equal(skep_child_kill(child, SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_ERROR, 0) == 2);
    assert_string_equal(hive_find(hive, SKEP_EVENT_ERROR, 0)->reason,
                        "no replacement: /no/such/program: program not found");
    assert_int_equal(skep_reset_primary(hive->cluster, &(skep_settings){.respawn = true}), SKEP_OK);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 0) == 2);
    assert_int_equal(skep_child_slot(skep_child_next(hive->cluster, NULL)), 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_a_healthy_worker_is_replaced_at_once),
        HIVE_TEST(test_quick_failures_wait),
        HIVE_TEST(test_siblings_are_left_alone),
        HIVE_TEST(test_who_is_not_replaced),
        HIVE_TEST(test_unstartable_after_ready),
        HIVE_TEST(test_nobody_is_replaced_by_default),
        HIVE_TEST(test_a_worker_that_never_gets_ready),
        HIVE_TEST(test_no_program_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
