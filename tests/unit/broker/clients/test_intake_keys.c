/* SPDX-License-Identifier: MIT
 * Keys that clients give their jobs: what becomes of copies, and what those hear that wait with one. */
#include "broker/visitor.h"
#include "common/text.h"

static void open_with(struct bench *bench, struct visitor *visitor, void **state) {
    bench_open(bench, *state, NULL);
    visitor_come(visitor, bench);
}

static void close_with(struct bench *bench, struct visitor *visitor) {
    visitor_go(visitor);
    bench_close(bench);
}

static void test_keys_of_a_batch(void **state) {
    static const struct skep_bytes keys[] = {{"k", 1}, {"l", 1}, {"k", 1}, {"", 0}, {"", 0}, {"l", 1}, {"l", 1}};
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    struct skep_command_submit submit = visitor_jobs(1, 7);
    SKEP_SET(submit, &submit, keys, ((struct skep_list){.count = 7, .borrowed = keys}));
    visitor_say(&visitor, &submit);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_accepted, 3, 1, 1);
    visitor_expect(&visitor, 2, SKEP_COMMAND_accepted, 4, 2, 3);
    visitor_expect(&visitor, 3, SKEP_COMMAND_accepted, 6, 1, 2);
    visitor_expect(&visitor, 4, SKEP_COMMAND_accepted, 7, 1, 2);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(visitor.log[i].duplicate, i == 1 || i >= 3);
    assert_int_equal(bench.queue->shelf->duplicates, 3);
    bench_assert(&bench, 4, 0, 0);
    close_with(&bench, &visitor);
}

static void say_with_key(struct visitor *visitor, uint64_t number) {
    static const struct skep_bytes key = {"k", 1};
    struct skep_command_submit submit = visitor_jobs(number, 1);
    SKEP_SET(submit, &submit, keys, ((struct skep_list){.count = 1, .borrowed = &key}));
    SKEP_SET(submit, &submit, outcomes, true);
    visitor_say(visitor, &submit);
}

static void test_a_copy_has_the_outcome_of_the_first(void **state) {
    struct bench bench;
    struct visitor first, second;
    open_with(&bench, &first, state);
    visitor_come(&second, &bench);
    skep_child *child = bench_hire(&bench, 0, 1);
    say_with_key(&first, 1);
    say_with_key(&second, 1);
    bench_complete(child, 1, 1);
    skep__sessions_flush(bench.cluster);
    say_with_key(&second, 2); /* too late */
    visitor_expect(&first, 1, SKEP_COMMAND_finished, 1, 1, 0);
    visitor_expect(&second, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_expect(&second, 1, SKEP_COMMAND_finished, 1, 1, 0);
    visitor_expect(&second, 2, SKEP_COMMAND_accepted, 2, 1, 1);
    assert_true(second.log[0].duplicate && second.log[0].waits);
    assert_true(second.log[2].duplicate && !second.log[2].waits);
    assert_string_equal(second.log[0].text, "");
    assert_string_equal(second.log[2].text, "done");
    visitor_expect_nothing_more(&second);
    bench_dismiss(child);
    visitor_go(&second);
    close_with(&bench, &first);
}

static void test_a_copy_has_the_death_of_the_first(void **state) {
    struct bench bench;
    struct visitor first, second;
    open_with(&bench, &first, state);
    visitor_come(&second, &bench);
    skep_child *child = bench_hire(&bench, 0, 1);
    say_with_key(&first, 1);
    say_with_key(&second, 1);
    visitor_go(&first);
    skep__session_end(visitor_session(&first)); /* the submitter need not be there */
    struct skep_command_fail fail = {.delivery = 1, .reason = skep__text("no")};
    skep__jobs_failed(child->holder, &fail);
    later_settle(child->cluster);
    visitor_expect(&second, 1, SKEP_COMMAND_died, 1, 0, 0);
    assert_string_equal(second.log[1].text, "refused");
    assert_int_equal(bench.queue->unclaimed, 1);
    say_with_key(&second, 2); /* too late */
    visitor_expect(&second, 2, SKEP_COMMAND_accepted, 2, 1, 1);
    assert_true(second.log[2].duplicate && !second.log[2].waits);
    assert_string_equal(second.log[2].text, "refused");
    visitor_expect_nothing_more(&second);
    bench_dismiss(child);
    close_with(&bench, &second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_keys_of_a_batch),
        PUMP_TEST(test_a_copy_has_the_outcome_of_the_first),
        PUMP_TEST(test_a_copy_has_the_death_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
