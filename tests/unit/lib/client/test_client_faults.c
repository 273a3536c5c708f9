/* SPDX-License-Identifier: MIT
 * Submissions when frames and answers are lost, and when the broker is. */
#include "lib/client_hive.h"

/* --- frames and answers that are lost --- */

/* The next frame shows the broker that one is missing; it says so, and everything comes again in order. */
static void test_lost_frame(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->lose_submits = 1;
    submit(&hive, 1, 10, NULL);
    PUMP_UNTIL(hive.pump, hive.fake->submits == 1);
    submit(&hive, 11, 20, NULL);
    PUMP_UNTIL(hive.pump, hive.fake->submits == 2);
    submit(&hive, 21, 30, NULL);
    PUMP_UNTIL(hive.pump, hive.accepted == 30);
    expect_jobs(&hive, 1, 30);
    assert_int_equal(skep_client_unaccepted(hive.client), 0);
    end(&hive);
}

static void test_lost_frame_and_silence(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->lose_submits = 2;
    submit(&hive, 1, 3, NULL);
    PUMP_UNTIL(hive.pump, hive.accepted == 3);
    assert_int_equal(hive.fake->submits, 3);
    expect_jobs(&hive, 1, 3);
    end(&hive);
}

/* What the broker has is not there twice. */
static void test_lost_answers_and_silence(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->keeps_answers = true;
    submit(&hive, 1, 5, NULL);
    PUMP_UNTIL(hive.pump, hive.fake->job_count == 5);
    hive.fake->keeps_answers = false;
    PUMP_UNTIL(hive.pump, hive.accepted == 5);
    assert_int_equal(hive.ids[0], 0);
    expect_jobs(&hive, 1, 5);
    end(&hive);
}

static void test_lost_answers(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->keeps_answers = true;
    submit(&hive, 1, 5, NULL);
    PUMP_UNTIL(hive.pump, hive.fake->job_count == 5);
    hive.fake->keeps_answers = false;
    submit(&hive, 6, 8, NULL);
    PUMP_UNTIL(hive.pump, hive.accepted == 8);
    assert_int_equal(hive.ids[0], 0);
    expect_jobs(&hive, 1, 8);
    end(&hive);
}

/* --- answers that make no sense --- */

static void answer_expected(struct hive *hive, uint64_t number) {
    struct skep_command command = {.id = SKEP_COMMAND_expected, .expected = {.number = number}};
    fake_return(hive->fake, &command);
}

static void on_undelivered(skep_client *client, uint32_t worker, const char *name, int status, void *context) {
    (void)client;
    (void)worker;
    (void)name;
    ((struct hive *)context)->status = status;
}

static void test_odd_answers(void **state) {
    struct hive hive;
    struct skep_command undelivered = {.id = SKEP_COMMAND_undelivered,
                                       .undelivered = {.name = fake_bytes("x"), .status = SKEP_ENOWORKER}};
    begin(&hive, *state);
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    fake_accept(hive.fake, 1, 1, 1); /* nothing was submitted */
    skep_on_client_undelivered(hive.client, on_undelivered, &hive);
    fake_return(hive.fake, &undelivered);
    PUMP_UNTIL(hive.pump, hive.status == SKEP_ENOWORKER);
    hive.fake->ignores_submits = true;
    submit(&hive, 1, 4, on_outcome);
    PUMP_UNTIL(hive.pump, hive.fake->submits == 1);
    submit(&hive, 5, 6, on_outcome); /* which are under way at best */
    fake_accept(hive.fake, 0, 0, 1);
    fake_accept(hive.fake, 9, 100, 1);
    fake_accept(hive.fake, UINT64_MAX, UINT32_MAX, 1);
    answer_expected(&hive, 0);
    answer_expected(&hive, UINT64_MAX);
    fake_finish(hive.fake, 1, "early", 5);
    fake_accept(hive.fake, 0, 3, 10); /* overlaps: 0 never was */
    PUMP_UNTIL(hive.pump, hive.answered == 2);
    assert_int_equal(hive.ids[0], 11);
    assert_int_equal(hive.ids[1], 12);
    fake_accept(hive.fake, 1, 3, 11); /* two of them are known */
    PUMP_UNTIL(hive.pump, hive.answered == 3);
    assert_int_equal(hive.ids[2], 13);
    fake_accept(hive.fake, 4, UINT32_MAX, 14); /* more than there are */
    PUMP_UNTIL(hive.pump, hive.answered == 6);
    assert_int_equal(hive.outcomes, 0);
    assert_int_equal(skep_client_unaccepted(hive.client), 0);
    end(&hive);
    assert_int_equal(hive.outcomes, 6);
}

static void test_malformed_frames(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 1);
    assert_int_equal(skep__outlet_append(hive.fake->returns, "\xc1", 1), SKEP_OK);
    PUMP_UNTIL(hive.pump, strlen(skep_client_why(hive.client)) > 0);
    assert_non_null(strstr(skep_client_why(hive.client), "malformed"));
    static const char wrong[] = "\x81\xa3"
                                "cmd\xa5ready";
    assert_int_equal(skep__outlet_append(hive.fake->returns, wrong, sizeof wrong - 1), SKEP_OK);
    PUMP_UNTIL(hive.pump, strstr(skep_client_why(hive.client), "another channel") != NULL);
    fake_finish(hive.fake, 1, "done", 4);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    end(&hive);
}

/* --- another broker in its place --- */

static void test_restart_when_idle(void **state) {
    struct hive hive;
    begin(&hive, *state);
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    fake_stop(hive.fake);
    PUMP_UNTIL(hive.pump, hive.lost == 1);
    assert_false(skep_client_is_connected(hive.client));
    assert_non_null(strstr(skep_client_why(hive.client), "4711"));
    fake_start(hive.fake);
    PUMP_UNTIL(hive.pump, hive.joined == 2);
    submit(&hive, 1, 2, NULL);
    PUMP_UNTIL(hive.pump, hive.accepted == 2);
    end(&hive);
}

/* The broker before had taken all up to 5, in the middle of a batch; 6 to 12 go to the next one, numbered from 1. */
static void test_restart(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 3, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 3);
    hive.fake->ignores_submits = true;
    submit(&hive, 4, 9, on_outcome);
    PUMP_UNTIL(hive.pump, hive.fake->submits == 2);
    fake_accept(hive.fake, 4, 2, 4);
    PUMP_UNTIL(hive.pump, hive.accepted == 5);
    fake_stop(hive.fake);
    submit(&hive, 10, 11, on_outcome); /* while nobody knows yet */
    PUMP_UNTIL(hive.pump, hive.lost == 1);
    assert_int_equal(hive.outcomes, 5);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
    submit(&hive, 12, 12, on_outcome);
    hive.fake->ignores_submits = false;
    hive.fake->finishes = true;
    hive.fake->job_count = 0;
    fake_start(hive.fake);
    PUMP_UNTIL(hive.pump, hive.outcomes == 12);
    assert_int_equal(hive.answered, 12);
    assert_int_equal(hive.accepted, 12);
    assert_int_equal(hive.joined, 2);
    assert_string_equal(hive.result, "12");
    expect_jobs(&hive, 6, 12);
    end(&hive);
}

/* The new broker is there before the old one was missed; jobs of several sizes and keys lie in the broken batch. */
static void test_quick_restart(void **state) {
    static char large[70000], medium[300];
    struct hive hive;
    skep_job_options options = {.key = "k"};
    begin(&hive, *state);
    hive.fake->ignores_submits = true;
    memset(large, 'l', sizeof large);
    memset(medium, 'm', sizeof medium);
    assert_int_equal(skep_submit(hive.client, "q", large, sizeof large, &options, on_accepted, NULL, &hive), SKEP_OK);
    assert_int_equal(skep_submit(hive.client, "q", medium, sizeof medium, &options, on_accepted, NULL, &hive), SKEP_OK);
    options.key = "kk";
    assert_int_equal(skep_submit(hive.client, "q", "3", 1, &options, on_accepted, NULL, &hive), SKEP_OK);
    options.key = "kkk";
    assert_int_equal(skep_submit(hive.client, "q", "4", 1, &options, on_accepted, NULL, &hive), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.fake->submits == 1);
    fake_accept(hive.fake, 1, 3, 1);
    PUMP_UNTIL(hive.pump, hive.accepted == 3);
    fake_stop(hive.fake);
    hive.fake->ignores_submits = false;
    fake_start(hive.fake);
    PUMP_UNTIL(hive.pump, hive.accepted == 4);
    assert_int_equal(hive.fake->job_count, 1);
    assert_string_equal(hive.fake->jobs[0], "4");
    assert_string_equal(hive.fake->key, "kkk");
    assert_int_equal(hive.fake->submit.number, 1);
    end(&hive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_lost_frame),
        PUMP_TEST(test_lost_frame_and_silence),
        PUMP_TEST(test_lost_answers_and_silence),
        PUMP_TEST(test_lost_answers),
        PUMP_TEST(test_odd_answers),
        PUMP_TEST(test_malformed_frames),
        PUMP_TEST(test_restart_when_idle),
        PUMP_TEST(test_restart),
        PUMP_TEST(test_quick_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
