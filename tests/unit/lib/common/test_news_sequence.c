/* SPDX-License-Identifier: MIT
 * Where a reader of the news is: what comes in order, twice, too early, or never. */
#include "common/news_sequence.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool end(struct skep__news_sequence *sequence, uint64_t seq) {
    return skep__news_end(sequence, &(struct skep_command_newsEnd){.seq = seq});
}

static void test_in_order(void **state) {
    struct skep__news_sequence sequence = {.latest = 4};
    (void)state;
    assert_int_equal(skep__news_item(&sequence, 5, false), SKEP__NEWS_NEXT);
    assert_int_equal(skep__news_item(&sequence, 6, false), SKEP__NEWS_NEXT);
    assert_int_equal(skep__news_item(&sequence, 6, false), SKEP__NEWS_OLD);
    assert_int_equal(skep__news_item(&sequence, 2, true), SKEP__NEWS_OLD);
    assert_int_equal(sequence.latest, 6);
    assert_int_equal(sequence.lost, 0);
}

static void test_a_gap_that_is_filled(void **state) {
    struct skep__news_sequence sequence = {.latest = 4};
    (void)state;
    assert_int_equal(skep__news_item(&sequence, 7, false), SKEP__NEWS_EARLY);
    assert_int_equal(sequence.latest, 4);
    for (uint64_t number = 5; number <= 7; number++)
        assert_int_equal(skep__news_item(&sequence, number, true), SKEP__NEWS_NEXT);
    assert_false(end(&sequence, 7));
    assert_int_equal(sequence.lost, 0);
}

static void test_a_gap_that_stays(void **state) {
    struct skep__news_sequence sequence = {.latest = 4};
    (void)state;
    assert_int_equal(skep__news_item(&sequence, 9, false), SKEP__NEWS_EARLY);
    assert_int_equal(skep__news_item(&sequence, 8, true), SKEP__NEWS_NEXT);
    assert_int_equal(sequence.lost, 3);
    assert_false(end(&sequence, 10)); /* 9 and 10 are no longer kept either */
    assert_int_equal(sequence.latest, 10);
    assert_int_equal(sequence.lost, 5);
}

static void test_items_that_overtake_the_answer(void **state) {
    struct skep__news_sequence sequence = {.latest = 4};
    (void)state;
    assert_int_equal(skep__news_item(&sequence, 8, false), SKEP__NEWS_EARLY);
    assert_int_equal(skep__news_item(&sequence, 5, true), SKEP__NEWS_NEXT);
    assert_true(end(&sequence, 6));
    assert_int_equal(sequence.latest, 6);
    assert_true(end(&sequence, 3)); /* of an earlier question */
    assert_int_equal(sequence.latest, 6);
}

static void test_numbers(void **state) {
    const struct skep_command event = {.id = SKEP_COMMAND_event, .event = {.seq = 1}};
    const struct skep_command broadcast = {.id = SKEP_COMMAND_broadcast, .broadcast = {.seq = 2}};
    const struct skep_command totals = {.id = SKEP_COMMAND_totals, .totals = {.seq = 3}};
    const struct skep_command other = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = 4}};
    (void)state;
    assert_int_equal(skep__news_number(&event), 1);
    assert_int_equal(skep__news_number(&broadcast), 2);
    assert_int_equal(skep__news_number(&totals), 3);
    assert_int_equal(skep__news_number(&other), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),         cmocka_unit_test(test_a_gap_that_is_filled),
        cmocka_unit_test(test_a_gap_that_stays), cmocka_unit_test(test_items_that_overtake_the_answer),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
