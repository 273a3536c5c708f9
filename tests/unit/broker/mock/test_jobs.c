/* SPDX-License-Identifier: MIT
 * What becomes of jobs under the mock broker: counted, ordered and given as by a real one. The same scenes under both
 * are in tests/integration/cluster/mock.c. */
#include "lib/mocked.h"

#include <uv.h>

static uint64_t submit_with(skep_mock *mock, const char *payload, const skep_job_options *options) {
    uint64_t job = 0;
    OK(skep_mock_submit(mock, "q", payload, strlen(payload), options, &job));
    return job;
}

static skep_mock *open_with(const skep_mock_options *options, skep_worker **worker, struct kept *kept) {
    skep_mock *mock = NULL;
    OK(skep_mock_broker_new(&mock, options));
    OK(skep_mock_broker_worker(mock, worker, NULL));
    OK(skep_on_job(*worker, "q", do_job, kept));
    return mock;
}

static void run_until_kept(skep_mock *mock, skep_worker *worker) {
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
}

/* --- redelivery --- */

static void test_a_retry_is_redelivered(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t job = submit(mock, "retry");
    OK(skep_mock_expect_retried(mock, job, 500, NULL, PATIENCE_MS));
    assert_true(look(mock, job).redelivered);
    assert_int_equal(look(mock, job).failures, 1);
    skep_mock_advance(mock, 500);
    OK(skep_mock_expect_retried(mock, job, 500, NULL, PATIENCE_MS));
    assert_int_equal(look(mock, job).attempt, 2);
    assert_true(look(mock, job).redelivered);
    skep_mock_broker_free(&mock);
}

static bool is_redelivered(void *kept) {
    const skep_job *job = ((struct kept *)kept)->job;
    return job != NULL && job->redelivered && job->attempt == 2;
}

/* --- leases --- */

static void test_ends_of_leases_count(void **state) {
    struct kept *kept = *state;
    skep_mock_options options = {.lease_ms = 1000, .attempts = 2};
    skep_worker *worker;
    skep_mock *mock = open_with(&options, &worker, kept);
    OK(skep_job_concurrency(worker, "q", 2));
    uint64_t job = submit(mock, "keep");
    run_until_kept(mock, worker);
    skep_job *late = kept->job;
    skep_mock_advance(mock, 999);
    assert_int_equal(look(mock, job).failures, 0);
    skep_mock_advance(mock, 1);
    assert_int_equal(look(mock, job).failures, 1);
    assert_string_equal(look(mock, job).reason, "its lease ended");
    OK(skep_mock_run_until(mock, is_redelivered, kept, "it is given again", PATIENCE_MS));
    skep_mock_advance(mock, 1000);
    OK(skep_mock_expect_dead(mock, job, "attempts", "its lease ended", 0));
    skep_job_complete(late, SKEP_DONE);
    OK(skep_mock_expect_refused(mock, job, PATIENCE_MS));
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_refused(mock, job, PATIENCE_MS));
    assert_int_equal(look(mock, job).state, SKEP_MOCK_DEAD);
    skep_mock_broker_free(&mock);
}

/* What waits behind another job costs nothing, nor does it when it is given again, since that one's lease has ended. */
static void test_waiting_costs_no_attempt(void **state) {
    struct kept *kept = *state;
    skep_mock_options options = {.lease_ms = 1000};
    skep_worker *worker;
    skep_mock *mock = open_with(&options, &worker, kept);
    uint64_t held = submit(mock, "keep"), waits = submit(mock, "result");
    run_until_kept(mock, worker);
    OK(skep_mock_expect_delivered(mock, waits, 1, PATIENCE_MS));
    skep_mock_advance(mock, 900);
    OK(skep_job_extend(kept->job));
    OK(skep_mock_expect_extended(mock, held, PATIENCE_MS));
    skep_mock_advance(mock, 900);
    assert_int_equal(look(mock, waits).state, SKEP_MOCK_RESERVED);
    skep_mock_advance(mock, 100);
    assert_int_equal(look(mock, held).failures, 1);
    assert_int_equal(look(mock, waits).failures, 0);
    assert_int_equal(look(mock, waits).attempt, 1);
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_refused(mock, held, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, waits, "done!", 5, PATIENCE_MS));
    assert_int_equal(look(mock, waits).attempt, 1);
    assert_false(look(mock, waits).redelivered);
    skep_mock_broker_free(&mock);
}

/* A worker that let a lease end gets no more until it answers, since there is another one. */
static void test_a_stalled_worker_gets_no_more(void **state) {
    struct kept *kept = *state;
    skep_mock_options options = {.lease_ms = 1000};
    skep_worker *worker, *other;
    skep_mock *mock = open_with(&options, &worker, kept);
    uint64_t held = submit(mock, "keep");
    run_until_kept(mock, worker);
    skep_job *late = kept->job;
    OK(skep_mock_broker_worker(mock, &other, NULL));
    OK(skep_on_job(other, "q", do_job, kept));
    OK(skep_mock_expect_ready(mock, 2, PATIENCE_MS));
    skep_mock_advance(mock, 1000);
    OK(skep_mock_run_until(mock, keeps_one, other, "the other one keeps it", PATIENCE_MS));
    assert_int_equal(look(mock, held).worker, 2);
    uint64_t waits = submit(mock, "result");
    OK(skep_mock_expect_delivered(mock, waits, 2, PATIENCE_MS)); /* behind the other */
    skep_job_complete(late, SKEP_DONE);
    OK(skep_mock_expect_refused(mock, held, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, waits, "done!", 5, PATIENCE_MS));
    assert_int_equal(look(mock, waits).worker, 1);
    skep_mock_broker_free(&mock);
}

static void test_taken_to_an_idle_worker(void **state) {
    struct kept *kept = *state;
    skep_worker *worker, *other;
    skep_mock *mock = open_mock(kept, &worker);
    submit(mock, "keep");
    uint64_t waits = submit(mock, "result");
    run_until_kept(mock, worker);
    OK(skep_mock_expect_delivered(mock, waits, 1, PATIENCE_MS));
    OK(skep_mock_broker_worker(mock, &other, NULL));
    OK(skep_on_job(other, "q", do_job, kept));
    OK(skep_mock_expect_done(mock, waits, "done!", 5, PATIENCE_MS));
    assert_int_equal(look(mock, waits).worker, 2);
    assert_false(look(mock, waits).redelivered);
    skep_mock_broker_free(&mock);
}

/* Sent ahead, and not begun by then */
static void test_expires_behind_another(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    submit(mock, "keep");
    uint64_t waits = submit_with(mock, "plain", &(skep_job_options){.ttl_ms = 500});
    run_until_kept(mock, worker);
    OK(skep_mock_expect_delivered(mock, waits, 1, PATIENCE_MS));
    skep_mock_advance(mock, 500);
    OK(skep_mock_expect_dead(mock, waits, "expired", "", 0));
    skep_mock_broker_free(&mock);
}

/* --- deaths --- */

static void test_deaths_count(void **state) {
    struct kept *kept = *state;
    skep_mock_options options = {.deaths = 2};
    skep_worker *worker;
    skep_mock *mock = open_with(&options, &worker, kept);
    uint64_t job = submit(mock, "keep"), waits = submit(mock, "plain");
    run_until_kept(mock, worker);
    OK(skep_mock_kill(mock, 1));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    assert_int_equal(look(mock, job).deaths, 1);
    assert_int_equal(look(mock, waits).deaths, 0);
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    OK(skep_on_job(worker, "q", do_job, kept));
    run_until_kept(mock, worker);
    OK(skep_mock_kill(mock, 2));
    OK(skep_mock_expect_dead(mock, job, "deaths", "2 workers died of it; the last was killed by SIGKILL", PATIENCE_MS));
    assert_int_equal(look(mock, waits).state, SKEP_MOCK_READY);
    skep_mock_broker_free(&mock);
}

/* One that was asked to leave did not die of its job. */
static void test_interruptions(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t job = submit(mock, "keep");
    OK(skep_mock_setup_queue(mock, "q", &(skep_queue_options){.interruptions = 1}));
    run_until_kept(mock, worker);
    OK(skep_mock_drain(mock, 1));
    OK(skep_mock_kill(mock, 1));
    OK(skep_mock_expect_dead(mock, job, "interrupted", NULL, PATIENCE_MS));
    assert_int_equal(look(mock, job).deaths, 0);
    assert_int_equal(look(mock, job).interruptions, 1);
    skep_mock_broker_free(&mock);
}

/* --- keys --- */

static void test_keys(void **state) {
    const skep_job_options key = {.key = "k"};
    skep_mock_options options = {.dedup_ms = 1000};
    skep_worker *worker;
    skep_mock *mock = NULL;
    uint64_t job, copy = 0;
    OK(skep_mock_broker_new(&mock, &options));
    job = submit_with(mock, "plain", &key);
    FAILS(SKEP_EDUPLICATE, skep_mock_submit(mock, "q", "x", 1, &key, &copy));
    assert_int_equal(copy, job);
    OK(skep_mock_expect_duplicate(mock, job, "q", "x", 1, &key));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_duplicate(mock, job + 1, "q", "x", 1, &key));
    assert_non_null(
        strstr(skep_mock_why(mock), "since job 2 has its key\ncame instead: not accepted, since job 1 has"));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_duplicate(mock, job, "other", "x", 1, &key));
    assert_non_null(strstr(skep_mock_why(mock), "came instead: accepted as job 2"));
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    OK(skep_on_job(worker, "q", do_job, *state));
    OK(skep_mock_expect_done(mock, job, NULL, 0, PATIENCE_MS));
    skep_mock_advance(mock, 999);
    FAILS(SKEP_EDUPLICATE, skep_mock_submit(mock, "q", "x", 1, &key, NULL));
    skep_mock_advance(mock, 1);
    OK(skep_mock_submit(mock, "q", "x", 1, &key, &copy));
    assert_int_equal(copy, 3);
    skep_mock_broker_free(&mock);
}

static void test_terms_that_are_wrong(void **state) {
    static const struct {
        skep_job_options options;
        const char *why;
    } wrong[] = {
        {{.key = ""}, "'': a key has 1 to 64 bytes"},
        {{.priority = 128}, "q: priority 128: -128 to 127"},
        {{.priority = -129}, "q: priority -129: -128 to 127"},
        {{.lease_ms = 99}, "q: lease of 99 ms: at least 100"},
        {{.attempts = 65536}, "q: attempts 65536: at most 65535"},
    };
    static const struct {
        skep_queue_options options;
        const char *why;
    } queues[] = {
        {{.lease_ms = 99}, "q: lease of 99 ms: at least 100"},
        {{.attempts = 65536}, "q: attempts 65536: at most 65535"},
        {{.interruptions = 65536}, "q: interruptions 65536: at most 65535"},
        {{.backoff_ms = 2, .backoff_max_ms = 1}, "q: a backoff from 2 to 1 ms: the first is the shorter one"},
        {{.backoff_max_ms = 5}, "q: a backoff up to 5 ms: without backoff_ms there is none"},
    };
    skep_mock *mock = NULL;
    (void)state;
    OK(skep_mock_broker_new(&mock, NULL));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        FAILS(SKEP_EINVAL, skep_mock_submit(mock, "q", "", 0, &wrong[i].options, NULL));
        assert_string_equal(skep_mock_why(mock), wrong[i].why);
    }
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        FAILS(SKEP_EINVAL, skep_mock_setup_queue(mock, "q", &queues[i].options));
        assert_string_equal(skep_mock_why(mock), queues[i].why);
    }
    FAILS(SKEP_EINVAL, skep_mock_setup_queue(mock, "", &(skep_queue_options){0}));
    assert_string_equal(skep_mock_why(mock), "'': a queue's name has 1 to 64 bytes");
    OK(skep_mock_setup_queue(mock, "q", NULL));
    skep_mock_broker_free(&mock);
}

/* --- queues --- */

static void test_settings_of_a_queue(void **state) {
    const skep_queue_options options = {.lease_ms = 200, .attempts = 3, .backoff_ms = 100, .backoff_max_ms = 150};
    struct kept *kept = *state;
    skep_worker *worker;
    skep_mock *mock = open_mock(kept, &worker);
    OK(skep_job_concurrency(worker, "q", 4));
    OK(skep_mock_setup_queue(mock, "q", &options));
    uint64_t job = submit(mock, "keep");
    run_until_kept(mock, worker);
    skep_mock_advance(mock, 200);
    assert_int_equal(look(mock, job).state, SKEP_MOCK_DELAYED);
    assert_int_equal(look(mock, job).due_ms, 300);
    skep_mock_advance(mock, 100);
    OK(skep_mock_run_until(mock, is_redelivered, kept, "it is given again", PATIENCE_MS));
    skep_mock_advance(mock, 200);
    assert_int_equal(look(mock, job).due_ms, 650); /* twice as long, at most 150 */
    skep_mock_advance(mock, 150);
    OK(skep_mock_expect_delivered(mock, job, 1, PATIENCE_MS));
    skep_mock_advance(mock, 200);
    OK(skep_mock_expect_dead(mock, job, "attempts", NULL, 0));
    skep_mock_broker_free(&mock);
}

static void test_concurrency_of_a_queue(void **state) {
    struct kept *kept = *state;
    skep_worker *worker;
    skep_mock *mock = open_mock(kept, &worker);
    OK(skep_job_concurrency(worker, "q", 4));
    OK(skep_mock_setup_queue(mock, "q", &(skep_queue_options){.concurrency = 1}));
    submit(mock, "keep");
    uint64_t waits = submit(mock, "plain");
    run_until_kept(mock, worker);
    assert_int_equal(look(mock, waits).state, SKEP_MOCK_READY);
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_done(mock, waits, NULL, 0, PATIENCE_MS));
    skep_mock_broker_free(&mock);
}

/* --- a client of a worker --- */

static void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    (void)client;
    *(bool *)context = outcome->status == SKEP_OK && outcome->size_bytes == 5;
}

static bool is_true(void *context) {
    return *(bool *)context;
}

static void test_a_client_of_a_worker(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    skep_client *client = NULL;
    bool done = false;
    OK(skep_client_new(&client, &(skep_client_options){.worker = worker}));
    OK(skep_submit(client, "q", "result", 6, NULL, NULL, on_outcome, &done));
    OK(skep_mock_run_until(mock, is_true, &done, "the outcome", PATIENCE_MS));
    skep_client_free(&client);
    skep_mock_broker_free(&mock);
}

/* --- nobody is left --- */

/* What has ended is not waited for. */
static void test_a_worker_that_ends_early(void **state) {
    static const char *const argv[] = {"/bin/false", NULL};
    skep_mock *mock = NULL;
    uint32_t worker;
    (void)state;
    uint64_t began_ns = uv_hrtime();
    OK(skep_mock_broker_new(&mock, NULL));
    uint64_t job = submit(mock, "plain");
    OK(skep_mock_broker_spawn(mock, argv, NULL, &worker));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_ready(mock, worker, 10 * PATIENCE_MS));
    assert_non_null(strstr(skep_mock_why(mock), "worker 1 is not ready, has left, exited with status 1"));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_ready(mock, 0, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_handles(mock, worker, "q", 0, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_delivered(mock, job, 0, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, job, NULL, 0, 10 * PATIENCE_MS));
    assert_non_null(
        strstr(skep_mock_why(mock), "came instead: no worker is left\njob 1 of the queue \"q\" waits for a worker"));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_dead(mock, job, NULL, NULL, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_message(mock, 0, "hello", NULL, 0, 10 * PATIENCE_MS));
    assert_true(uv_hrtime() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    skep_mock_broker_free(&mock);
}

/* --- what is over --- */

/* What cannot come any more is not waited for; an answer that is too late can. */
static void test_of_what_is_over_nothing_is_waited_for(void **state) {
    struct kept *kept = *state;
    skep_mock_options options = {.lease_ms = 1000, .attempts = 1};
    skep_worker *worker;
    skep_mock *mock = open_with(&options, &worker, kept);
    uint64_t began_ns = uv_hrtime(), job = submit(mock, "keep");
    run_until_kept(mock, worker);
    skep_mock_advance(mock, 1000);
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, job, NULL, 0, 10 * PATIENCE_MS));
    assert_non_null(
        strstr(skep_mock_why(mock), "\ncame instead: the job's end\njob 1 of the queue \"q\" is a dead letter"));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_retried(mock, job, SKEP_MOCK_ANY_DELAY, NULL, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_failed(mock, job, NULL, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_extended(mock, job, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_released(mock, job, 10 * PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_delivered(mock, job, 0, 10 * PATIENCE_MS));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_refused(mock, job, SOON_MS));
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_refused(mock, job, PATIENCE_MS));
    uint64_t other = submit(mock, "result");
    OK(skep_mock_expect_done(mock, other, "done!", 5, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, other, "done!", 5, 10 * PATIENCE_MS));
    assert_non_null(strstr(skep_mock_why(mock), "\ncame instead: the job's end\njob 2 of the queue \"q\" is done"));
    assert_true(uv_hrtime() - began_ns < PATIENCE_MS * UINT64_C(1000000));
    skep_mock_broker_free(&mock);
}

int main(void) {
    struct kept kept = {0};
#define TEST(function) cmocka_unit_test_prestate(function, &kept)
    const struct CMUnitTest tests[] = {
        TEST(test_a_retry_is_redelivered),
        TEST(test_ends_of_leases_count),
        TEST(test_waiting_costs_no_attempt),
        TEST(test_a_stalled_worker_gets_no_more),
        TEST(test_taken_to_an_idle_worker),
        TEST(test_expires_behind_another),
        TEST(test_deaths_count),
        TEST(test_interruptions),
        TEST(test_keys),
        TEST(test_terms_that_are_wrong),
        TEST(test_settings_of_a_queue),
        TEST(test_concurrency_of_a_queue),
        TEST(test_a_client_of_a_worker),
        TEST(test_a_worker_that_ends_early),
        TEST(test_of_what_is_over_nothing_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
