/* SPDX-License-Identifier: MIT
 * One job in its handler's hands: what may be said of it, and when. */
#include "lib/bare_hive.h"

static void test_completed_before_the_handler_returned(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "cdc");
    expect(h, 1, "completed {delivery: 1, n: 3}\n");
    assert_int_equal(skep_worker_jobs(h->worker), 0);
    close_hive(h);
}

static void test_limits_of_what_is_set(void **state) {
    static char large[SKEP_MAX_PAYLOAD + 1];
    struct hive *h = open_hive(*state);
    char reason[600], expected[700];
    handle(h, "q");
    give(h, "q", "k");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    assert_int_equal(skep_job_result(h->kept[0], large, sizeof large), SKEP_ETOOBIG);
    memset(reason, 'x', sizeof reason);
    memcpy(reason + SKEP_MAX_REASON - 1, "\xc3\xa9", 2); /* would be cut in two */
    reason[sizeof reason - 1] = '\0';
    skep_job_reason(h->kept[0], reason);
    skep_job_complete(h->kept[0], SKEP_RETRY);
    snprintf(expected, sizeof expected, "retry {delivery: 1, reason: \"%.*s\"}\n", SKEP_MAX_REASON - 1, reason);
    expect(h, 1, expected);
    close_hive(h);
}

static void test_completing_after_the_end(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "kd");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    skep__worker_close_link(h->worker, SKEP_ECLOSED);
    assert_int_equal(skep_job_extend(h->kept[0]), SKEP_ECLOSED);
    skep_job_complete(h->kept[0], SKEP_DONE);
    assert_int_equal(skep_worker_jobs(h->worker), 0);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_completed_before_the_handler_returned),
        PUMP_TEST(test_limits_of_what_is_set),
        PUMP_TEST(test_completing_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
