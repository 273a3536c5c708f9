/* SPDX-License-Identifier: MIT
 * So many deliveries that the claims of the first are used again: none that was not answered is lost by that, and none
 * that has begun counts as if it had not. */
#include "lib/mocked.h"

#include "contract.h"

enum { MANY = SKEP_CLAIMS + 100, LOT = 100 };

static void run_until_kept(skep_mock *mock, skep_worker *worker) {
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
}

static skep_verdict do_many(skep_worker *worker, skep_job *job, void *context) {
    (void)worker, (void)job, (void)context;
    return SKEP_DONE;
}

/* So many jobs of another queue are done by the same worker. */
static void do_others(skep_mock *mock) {
    for (unsigned done = 0; done < MANY; done += LOT) {
        uint64_t job = 0;
        for (unsigned i = 0; i < LOT; i++) OK(skep_mock_submit(mock, "many", "x", 1, NULL, &job));
        OK(skep_mock_expect_done(mock, job, NULL, 0, PATIENCE_MS));
    }
}

/* One is kept, one waits behind it. */
static void test_what_waits_outlasts_many_deliveries(void **state) {
    struct kept *kept = *state;
    skep_worker *worker;
    skep_mock *mock = open_mock(kept, &worker);
    OK(skep_on_job(worker, "many", do_many, NULL));
    uint64_t held = submit(mock, "keep"), waits = submit(mock, "result");
    run_until_kept(mock, worker);
    OK(skep_mock_expect_delivered(mock, waits, 1, PATIENCE_MS));
    do_others(mock);
    assert_int_equal(look(mock, waits).attempt, 1);
    assert_false(look(mock, waits).redelivered);
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_done(mock, held, NULL, 0, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, waits, "done!", 5, PATIENCE_MS));
    assert_int_equal(look(mock, waits).attempt, 1);
    skep_mock_broker_free(&mock);
}

static skep_mock *open_with_many(struct kept *kept, uint64_t *job) {
    skep_worker *worker;
    skep_mock *mock = NULL;
    OK(skep_mock_broker_new(&mock, &(skep_mock_options){.lease_ms = 1000}));
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    OK(skep_on_job(worker, "q", do_job, kept));
    OK(skep_on_job(worker, "many", do_many, NULL));
    *job = submit(mock, "keep");
    run_until_kept(mock, worker);
    do_others(mock);
    return mock;
}

/* It has begun, though its claim says nothing any more. */
static void test_a_lease_outlasts_many_deliveries(void **state) {
    uint64_t job;
    skep_mock *mock = open_with_many(*state, &job);
    skep_mock_advance(mock, 1000);
    assert_int_equal(look(mock, job).failures, 1);
    assert_string_equal(look(mock, job).reason, "its lease ended");
    skep_mock_broker_free(&mock);
}

static void test_a_death_after_many_deliveries(void **state) {
    uint64_t job;
    skep_mock *mock = open_with_many(*state, &job);
    OK(skep_mock_kill(mock, 1));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    assert_int_equal(look(mock, job).state, SKEP_MOCK_READY);
    assert_int_equal(look(mock, job).attempt, 1);
    assert_int_equal(look(mock, job).deaths + look(mock, job).interruptions, 1);
    skep_mock_broker_free(&mock);
}

int main(void) {
    struct kept kept = {0};
#define TEST(function) cmocka_unit_test_prestate(function, &kept)
    const struct CMUnitTest tests[] = {
        TEST(test_what_waits_outlasts_many_deliveries),
        TEST(test_a_lease_outlasts_many_deliveries),
        TEST(test_a_death_after_many_deliveries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
