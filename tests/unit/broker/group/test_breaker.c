/* SPDX-License-Identifier: MIT
 * The breaker: how many failures are too many, and whose. */
#include "broker/hatch.h"

enum { LIMIT = 3, PERIOD_MS = 1000 };

/* --- counting --- */

static void test_failures_of_the_period_count(void **state) {
    struct skep__failures *failures = calloc(1, sizeof *failures);
    (void)state;
    assert_non_null(failures);
    assert_int_equal(skep__failures_note(failures, 5000, PERIOD_MS), 1);
    assert_int_equal(skep__failures_note(failures, 5000, PERIOD_MS), 2);
    assert_int_equal(skep__failures_note(failures, 5999, PERIOD_MS), 3);
    assert_int_equal(skep__failures_note(failures, 6000, PERIOD_MS), 2); /* the first two have left it */
    assert_int_equal(skep__failures_note(failures, 60000, PERIOD_MS), 1);
    free(failures);
}

static void test_more_failures_than_are_kept(void **state) {
    struct skep__failures *failures = calloc(1, sizeof *failures);
    (void)state;
    assert_non_null(failures);
    for (unsigned i = 1; i <= SKEP__MOST_FAILURES; i++) assert_int_equal(skep__failures_note(failures, i, 1000000), i);
    for (unsigned i = 1; i <= 10; i++)
        assert_int_equal(skep__failures_note(failures, 10000 + i, 1000000), SKEP__MOST_FAILURES);
    assert_int_equal(failures->ms[failures->first], 11); /* the oldest made room */
    free(failures);
}

/* --- opening --- */

/* True as often as a trial is to be set: when it opens, and when the one that was tried fails. */
static void test_when_a_trial_is_due(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.failures = LIMIT});
    skep_group *group = skep_cluster_group(cluster);
    for (unsigned i = 1; i < LIMIT; i++) assert_false(skep__breaker_failed(group, i, "it fell"));
    assert_false(skep__breaker_tries(&group->breaker, 0));
    assert_true(skep__breaker_failed(group, LIMIT, "it fell"));
    assert_true(group->breaker.open);
    group->breaker.trial = 9;
    assert_false(skep__breaker_tries(&group->breaker, 8));
    assert_false(skep__breaker_failed(group, 8, "another"));
    assert_true(skep__breaker_tries(&group->breaker, 9));
    assert_true(skep__breaker_failed(group, 9, "it fell, too"));
    assert_true(skep__breaker_failed(group, 0, "it could not be forked"));
    skep__breaker_close(group, "for the test");
    assert_false(skep__breaker_failed(group, 9, "it counts anew"));
    cluster->stopping = true;
    for (unsigned i = 1; i < LIMIT; i++) assert_false(skep__breaker_failed(group, i, "nobody asks any more"));
    hatch_free(*state, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_of_the_period_count),
        cmocka_unit_test(test_more_failures_than_are_kept),
        PUMP_TEST(test_when_a_trial_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
