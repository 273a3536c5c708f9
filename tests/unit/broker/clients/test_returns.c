/* SPDX-License-Identifier: MIT
 * When a client is told: results in a row, acceptances that wait a moment, and one that does not read. */
#include "broker/visitor.h"

enum { SLOW_BYTES = 4 * 1024 * 1024 /* unread, and a client is ignored from now on */ };

/* --- results in a row --- */

static void test_outcomes_in_a_row_travel_together(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 10, true);
    bench_results(child, 1, 3, 2);
    bench_results(child, 4, 2, 0);
    bench_results(child, 7, 1, 2); /* 6 is not done yet */
    bench_flush(&bench);
    bench_results(child, 6, 1, 2);
    bench_flush(&bench);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 10, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_finished, 1, 5, 0);
    assert_string_equal(visitor.log[1].text, "rerere");
    visitor_expect(&visitor, 2, SKEP_COMMAND_finished, 7, 1, 0);
    visitor_expect(&visitor, 3, SKEP_COMMAND_finished, 6, 1, 0);
    visitor_expect_nothing_more(&visitor);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
}

static void test_lists_of_outcomes_have_their_limits(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 10000);
    visitor_submit(&visitor, 1, SKEP_MAX_LIST, true);
    visitor_submit(&visitor, SKEP_MAX_LIST + 1, 10, true);
    bench_results(child, 1, SKEP_MAX_LIST, 0);
    bench_results(child, SKEP_MAX_LIST + 1, 7, SKEP_FULL_FRAME / 3);
    bench_results(child, SKEP_MAX_LIST + 8, 2, SKEP_MAX_PAYLOAD);
    bench_results(child, SKEP_MAX_LIST + 10, 1, 0);
    bench_flush(&bench);
    visitor_expect(&visitor, 2, SKEP_COMMAND_finished, 1, SKEP_MAX_LIST, 0);
    uint64_t next = SKEP_MAX_LIST + 1;
    for (unsigned i = 3; next <= SKEP_MAX_LIST + 10; i++) {
        PUMP_UNTIL(bench.pump, visitor.count > i);
        assert_int_equal(visitor.log[i].number, next);
        assert_in_range(visitor.log[i].n, 1, 3);
        next += visitor.log[i].n;
    }
    visitor_expect_nothing_more(&visitor);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
}

/* --- quiet acceptances --- */

static void test_an_acceptance_waits_for_a_quick_outcome(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 1, true);
    bench_results(child, 1, 1, 2);
    bench_flush(&bench);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_finished, 1, 1, 0);
    assert_int_equal(visitor.frames, 1);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
}

static void test_an_acceptance_does_not_wait_for_ever(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    visitor_submit(&visitor, 1, 1, true);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_submit(&visitor, 2, 1, true); /* and again */
    visitor_expect(&visitor, 1, SKEP_COMMAND_accepted, 2, 1, 2);
    visitor_close(&bench, &visitor);
}

/* More of them than go into one frame: all leave, though no outcome comes. */
static void test_many_acceptances_do_not_wait_for_ever(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    for (uint64_t number = 1; number <= VISITOR_ANSWERS; number++) visitor_submit(&visitor, number, 1, true);
    assert_true(skep__outlet_waiting_bytes(visitor_session(&visitor)->returns) > (size_t)2 * SKEP_FULL_FRAME);
    PUMP_UNTIL(bench.pump, visitor.count == VISITOR_ANSWERS);
    visitor_close(&bench, &visitor);
}

/* --- a client that does not read --- */

static void test_who_does_not_read_is_not_heard(void **state) {
    struct bench bench;
    struct visitor visitor;
    bench_open(&bench, *state, &(skep_settings){.job_credit_bytes = 64 << 20});
    visitor_join(&visitor, &bench, getpid());
    skep_child *child = bench_hire(&bench, 0, 1000);
    uint32_t large = SLOW_BYTES / SKEP_MAX_PAYLOAD + 1;
    visitor_submit(&visitor, 1, large + 1, true);
    bench_results(child, 1, large, SKEP_MAX_PAYLOAD);
    bench_flush(&bench);
    assert_false(skep__session_reads(visitor_session(&visitor)));
    visitor_submit(&visitor, large + 2, 3, true);
    bench_assert(&bench, 0, 1, large);
    visitor_listen(&visitor);
    PUMP_UNTIL(bench.pump, visitor.count > 0 && visitor.log[visitor.count - 1].id == SKEP_COMMAND_expected);
    assert_int_equal(visitor.log[visitor.count - 1].number, large + 2);
    uint64_t results = 0; /* none was dropped */
    for (unsigned i = 0; i < visitor.count; i++)
        if (visitor.log[i].id == SKEP_COMMAND_finished) results += visitor.log[i].n;
    assert_int_equal(results, large);
    assert_true(skep__session_reads(visitor_session(&visitor)));
    visitor_submit(&visitor, large + 2, 1, true);
    bench_assert(&bench, 0, 2, large);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_outcomes_in_a_row_travel_together),       PUMP_TEST(test_lists_of_outcomes_have_their_limits),
        PUMP_TEST(test_an_acceptance_waits_for_a_quick_outcome), PUMP_TEST(test_an_acceptance_does_not_wait_for_ever),
        PUMP_TEST(test_many_acceptances_do_not_wait_for_ever),   PUMP_TEST(test_who_does_not_read_is_not_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
