/* SPDX-License-Identifier: MIT
 * Which outcomes a client is told of. */
#include "broker/visitor.h"
#include "common/text.h"

static void test_nobody_is_told_what_nobody_wants(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 2, false);
    bench_results(child, 1, 2, 5);
    bench_flush(&bench);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect_nothing_more(&visitor);
    assert_int_equal(bench.queue->unclaimed, 2);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
}

static void test_a_dead_letter_is_told(void **state) {
    struct bench bench;
    struct visitor visitor;
    visitor_open(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 2, true);
    struct skep_command_fail fail = {.delivery = 2, .reason = skep__text("no")};
    skep__jobs_failed(child->holder, &fail);
    later_settle(bench.cluster);
    visitor_expect(&visitor, 1, SKEP_COMMAND_died, 2, 0, 0);
    assert_string_equal(visitor.log[1].text, "refused");
    assert_int_equal(skep__jobs_revive(bench.cluster->jobs, NULL, 0), 1); /* an operator's business, not the client's */
    later_settle(bench.cluster);
    bench_results(child, 3, 1, 5);
    bench_flush(&bench);
    visitor_expect_nothing_more(&visitor);
    assert_int_equal(bench.queue->unclaimed, 1);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_nobody_is_told_what_nobody_wants),
        PUMP_TEST(test_a_dead_letter_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
