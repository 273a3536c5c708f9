/* SPDX-License-Identifier: MIT
 * Those who wait for jobs by their ids, with each store. */
#include "broker/asked.h"

static void open_heard(struct bench *bench, void **state) {
    open_plain(bench, *state);
    hear_outcomes(bench->cluster);
}

static void test_one_that_is_done_later(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    submit(&bench, 2);
    await_job(bench.cluster, 1, 7, 70);
    await_job(bench.cluster, 1, 7, 70); /* sent again */
    await_job(bench.cluster, 1, 8, 80);
    assert_int_equal(heard.count, 0);
    skep_child *child = hire(&bench, 0, 2);
    begin(child, 1, 2);
    complete(child, 1, 2);
    assert_counts(&bench, 0, 0, 0, 2);
    assert_int_equal(heard.count, 2);
    assert_heard(0, 8, 80, SKEP_OK, "", "");
    assert_heard(1, 7, 70, SKEP_OK, "", "");
    assert_false(skep__awaited_is(bench.cluster->jobs, 1));
    dismiss(child);
    close_bench(&bench);
}

static void test_one_that_dies(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    submit(&bench, 1);
    skep_child *child = hire(&bench, 0, 1);
    await_job(bench.cluster, 1, 7, 70);
    begin(child, 1, 1);
    skep__jobs_failed(child->holder, &(struct skep_command_fail){.delivery = 1, .reason = skep__text("no")});
    later_settle(bench.cluster);
    assert_int_equal(heard.count, 1);
    assert_heard(0, 7, 70, SKEP_EDEAD, "refused", "no");
    await_job(bench.cluster, 1, 8, 80);
    assert_int_equal(heard.count, 2);
    assert_heard(1, 8, 80, SKEP_EDEAD, "refused", "no");
    dismiss(child);
    close_bench(&bench);
}

static void test_one_that_is_cancelled(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    submit(&bench, 1);
    await_job(bench.cluster, 1, 7, 70);
    assert_int_equal(cancel_job(bench.cluster, 1).status, SKEP_OK);
    assert_int_equal(heard.count, 1);
    assert_heard(0, 7, 70, SKEP_EDEAD, "cancelled", "");
    close_bench(&bench);
}

static void test_one_that_has_ended(void **state) {
    struct bench bench;
    const struct skep_bytes result = skep__text("result");
    const char *why;
    open_heard(&bench, state);
    submit(&bench, 2);
    skep_child *child = hire(&bench, 0, 2);
    begin(child, 1, 2);
    struct skep_command_completed command = {.delivery = 1};
    SKEP_SET(completed, &command, results, ((struct skep_list){.count = 1, .borrowed = &result}));
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
    complete(child, 2, 1);
    await_job(bench.cluster, 1, 7, 70);
    await_job(bench.cluster, 2, 7, 71);
    await_job(bench.cluster, 3, 7, 72);
    const bool kept = wanted_has_disk(bench.cluster);
    assert_int_equal(heard.count, 3);
    assert_heard(0, 7, 70, kept ? SKEP_OK : SKEP_ENOJOB, "", kept ? "result" : "");
    assert_heard(1, 7, 71, kept ? SKEP_OK : SKEP_ENOJOB, "", "");
    assert_heard(2, 7, 72, SKEP_ENOJOB, "", "");
    dismiss(child);
    close_bench(&bench);
}

static void test_a_client_that_leaves(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    submit(&bench, 1);
    await_job(bench.cluster, 1, 7, 70);
    await_job(bench.cluster, 1, 8, 80);
    skep__jobs_forget_client(bench.cluster->jobs, 7);
    assert_int_equal(cancel_job(bench.cluster, 1).status, SKEP_OK);
    assert_int_equal(heard.count, 1);
    assert_heard(0, 8, 80, SKEP_EDEAD, "cancelled", "");
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_that_is_done_later), PUMP_TEST(test_one_that_dies),
        PUMP_TEST(test_one_that_is_cancelled),  PUMP_TEST(test_one_that_has_ended),
        PUMP_TEST(test_a_client_that_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
