/* SPDX-License-Identifier: MIT
 * What becomes of jobs: which answers leave, and in which frames. */
#include "lib/bare_hive.h"

/* --- acknowledgements --- */

static void test_one_ack_for_a_frame(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "dddddddddd");
    give(h, "q", "ddd");
    expect(h, 1, "completed {delivery: 1, n: 13}\n");
    assert_int_equal(h->frames, 1);
    give(h, "q", "d");
    expect(h, 1, "completed {delivery: 14}\n");
    assert_int_equal(h->attempt, 1);
    assert_false(h->redelivered);
    close_hive(h);
}

static void test_results_share_a_list(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "ddrdr");
    expect(h, 1, "completed {delivery: 1, n: 5, results: 5 items} '' '' 'r' '' 'r'\n");
    give(h, "q", "dd"); /* the scratch object's result is not theirs */
    expect(h, 1, "completed {delivery: 6, n: 2}\n");
    close_hive(h);
}

static void test_other_answers_break_a_range(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "ddydfd");
    expect(h, 5,
           "completed {delivery: 1, n: 2}\n"
           "retry {delivery: 3, delay_ms: 250, reason: \"later\"}\n"
           "completed {delivery: 4}\n"
           "fail {delivery: 5, reason: \"never\"}\n"
           "completed {delivery: 6}\n");
    assert_int_equal(h->frames, 1);
    close_hive(h);
}

/* A job that is kept leaves a gap. */
static void test_gaps_break_a_range(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(skep_job_concurrency(h->worker, "q", 2), SKEP_OK);
    give(h, "q", "dkdd");
    expect(h, 2, "completed {delivery: 1}\ncompleted {delivery: 3, n: 2}\n");
    give(h, "q", "d");
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect(h, 2, "completed {delivery: 2}\ncompleted {delivery: 5}\n");
    close_hive(h);
}

/* As many results as a list may have, and as many bytes as a frame should. */
static void test_lists_are_bounded(void **state) {
    static char large[SKEP_FULL_FRAME / 2 + 1];
    struct hive *h = open_hive(*state);
    struct skep_frame items = {0};
    handle(h, "q");
    h->quiet = true;
    for (unsigned i = 0; i < SKEP_MAX_LIST; i++) assert_int_equal(skep__list_add(&items, "r", 1), SKEP_OK);
    give_command(h, "q", &items, SKEP_MAX_LIST);
    give(h, "q", "r");
    expect(h, 2,
           "completed {delivery: 1, n: 2048, results: 2048 items} 'r' 'r' 'r' 'r' 'r' 'r' 'r' 'r'\n"
           "completed {delivery: 2049, results: 1 items} 'r'\n");
    memset(large, 'r', sizeof large);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(skep__list_add(&items, large, i > 0 ? sizeof large : 1), SKEP_OK);
    give_command(h, "q", &items, 3);
    expect(h, 2,
           "completed {delivery: 2050, n: 2, results: 2 items} 'r' 'rrrrrrrr'\n"
           "completed {delivery: 2052, results: 1 items} 'rrrrrrrr'\n");
    close_hive(h);
}

/* A range without results may be longer than a list: then a result begins the next. */
static void test_a_late_result(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    h->quiet = true;
    for (unsigned n = 0; n < 2; n++) {
        struct skep_frame items = {0};
        for (unsigned i = 0; i < SKEP_MAX_LIST; i++) assert_int_equal(skep__list_add(&items, "d", 1), SKEP_OK);
        give_command(h, "q", &items, SKEP_MAX_LIST);
    }
    give(h, "q", "rd");
    expect(h, 2,
           "completed {delivery: 1, n: 4096}\n"
           "completed {delivery: 4097, n: 2, results: 2 items} 'r' ''\n");
    close_hive(h);
}

/* Handlers that take long do not hold up the acknowledgements of those before them. */
static void test_slow_handlers(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    h->worker->jobs.acks.hold_ns = SKEP__HOLD_NS;
    give(h, "q", "sss");
    expect(h, 3, "completed {delivery: 1}\ncompleted {delivery: 2}\ncompleted {delivery: 3}\n");
    assert_in_range(h->frames, 2, 3);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_ack_for_a_frame),
        PUMP_TEST(test_results_share_a_list),
        PUMP_TEST(test_other_answers_break_a_range),
        PUMP_TEST(test_gaps_break_a_range),
        PUMP_TEST(test_lists_are_bounded),
        PUMP_TEST(test_a_late_result),
        PUMP_TEST(test_slow_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
