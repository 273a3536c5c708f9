/* SPDX-License-Identifier: MIT
 * What a mock broker's workers count, reported or not. */
#include "lib/mocked.h"

#include "mock/private.h"

static void report_requests(struct skep__mock_worker *worker, uint64_t n) {
    struct skep_command_incrementRequestCount report = {.has = 0};
    if (n > 0) SKEP_SET(incrementRequestCount, &report, n, n);
    skep__mock_count_requests(worker, &report);
}

static void report(struct skep__mock_worker *worker, const char *name, uint64_t n) {
    struct skep_command_incrementCount report = {.name = {name, strlen(name)}};
    if (n > 0) SKEP_SET(incrementCount, &report, n, n);
    skep__mock_count_named(worker, &report);
}

static void test_reports(void **state) {
    skep_worker *inside;
    skep_mock *mock = open_mock(*state, &inside);
    struct skep__mock_worker *worker = skep__mock_find_worker(mock, 1);
    report_requests(worker, 3);
    report_requests(worker, 0);
    report(worker, "cats", 2);
    report(worker, "cats", 0);
    OK(skep_mock_expect_count(mock, 1, "requests", 4, 0));
    OK(skep_mock_expect_count(mock, 1, "cats", 3, 0));
    skep_mock_broker_free(&mock);
}

static void test_the_rest_is_on_the_page(void **state) {
    skep_worker *inside;
    skep_mock *mock = open_mock(*state, &inside);
    struct skep__mock_worker *worker = skep__mock_find_worker(mock, 1);
    skep_count(inside, "requests", 7);
    skep_count(inside, "cats", 2);
    report_requests(worker, 3);
    report(worker, "dogs", 1); /* not on the page */
    skep__mock_count_unreported(worker);
    report_requests(worker, 4); /* this was on its way */
    report(worker, "cats", 2);
    OK(skep_mock_expect_count(mock, 1, "requests", 7, 0));
    OK(skep_mock_expect_count(mock, 1, "cats", 2, 0));
    OK(skep_mock_expect_count(mock, 1, "dogs", 1, 0));
    skep_mock_broker_free(&mock);
}

/* Its reports are all there is, even those that come after its end. */
static void test_no_sums_on_the_page(void **state) {
    skep_worker *inside;
    skep_mock *mock = open_mock(*state, &inside);
    struct skep__mock_worker *worker = skep__mock_find_worker(mock, 1);
    report_requests(worker, 3);
    skep__mock_count_unreported(worker);
    report_requests(worker, 4);
    OK(skep_mock_expect_count(mock, 1, "requests", 7, 0));
    skep_mock_broker_free(&mock);
}

/* A worker in this process that is killed. */
static void test_killed(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    skep_count(worker, "requests", 3);
    OK(skep_mock_expect_count(mock, 1, "requests", 3, PATIENCE_MS));
    skep_count(worker, "requests", 4);
    skep_count(worker, "cats", 2);
    OK(skep_mock_kill(mock, 1));
    OK(skep_mock_expect_count(mock, 1, "requests", 7, 0));
    OK(skep_mock_expect_count(mock, 1, "cats", 2, 0));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    OK(skep_mock_expect_count(mock, 1, "requests", 7, 0));
    skep_mock_broker_free(&mock);
}

int main(void) {
    struct kept kept = {0};
#define TEST(function) cmocka_unit_test_prestate(function, &kept)
    const struct CMUnitTest tests[] = {
        TEST(test_reports),
        TEST(test_the_rest_is_on_the_page),
        TEST(test_no_sums_on_the_page),
        TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
