/* SPDX-License-Identifier: MIT
 * The mock broker with handlers in this process, and by it the worker's side. */
#include "lib/mocked.h"

/* --- jobs --- */

static bool keeps_two(void *worker) {
    return skep_worker_jobs(worker) == 2;
}

static void test_done(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t plain = submit(mock, "plain"), result = submit(mock, "result");
    OK(skep_mock_expect_done(mock, plain, "", 0, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, result, "done!", 5, PATIENCE_MS));
    OK(skep_mock_expect_ready(mock, skep_worker_id(worker), 0));
    OK(skep_mock_expect_handles(mock, 1, "q", 1, 0));
    OK(skep_mock_expect_quiet(mock, 0));
    skep_mock_job info = look(mock, result);
    assert_int_equal(info.state, SKEP_MOCK_DONE);
    assert_int_equal(info.attempt, 1);
    assert_string_equal(info.result, "done!");
    skep_mock_broker_free(&mock);
    assert_null(mock);
}

static void test_retries(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    skep_job_options twice = {.attempts = 2};
    uint64_t job;
    OK(skep_mock_submit(mock, "q", "retry", 5, &twice, &job));
    OK(skep_mock_expect_retried(mock, job, 500, "out of paper", PATIENCE_MS));
    assert_int_equal(look(mock, job).state, SKEP_MOCK_DELAYED);
    assert_int_equal(look(mock, job).due_ms, 500);
    OK(skep_mock_expect_quiet(mock, SOON_MS)); /* no time passes by itself */
    skep_mock_advance(mock, 499);
    assert_int_equal(look(mock, job).state, SKEP_MOCK_DELAYED);
    skep_mock_advance(mock, 1);
    OK(skep_mock_expect_retried(mock, job, SKEP_MOCK_ANY_DELAY, NULL, PATIENCE_MS));
    assert_int_equal(look(mock, job).state, SKEP_MOCK_DEAD);
    assert_int_equal(look(mock, job).attempt, 2);
    assert_string_equal(look(mock, job).reason, "out of paper");
    skep_mock_broker_free(&mock);
}

static void test_failing(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t job = submit(mock, "fail");
    OK(skep_mock_expect_failed(mock, job, "no such file", PATIENCE_MS));
    assert_int_equal(look(mock, job).state, SKEP_MOCK_DEAD);
    skep_mock_broker_free(&mock);
}

static void test_leases(void **state) {
    struct kept *kept = *state;
    skep_worker *worker;
    skep_mock *mock = open_mock(kept, &worker);
    uint64_t job = submit(mock, "keep");
    OK(skep_mock_expect_delivered(mock, job, 1, PATIENCE_MS));
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
    skep_mock_advance(mock, 40000);
    OK(skep_job_extend(kept->job));
    OK(skep_mock_expect_extended(mock, job, PATIENCE_MS));
    skep_mock_advance(mock, 40000);
    assert_int_equal(look(mock, job).state, SKEP_MOCK_RESERVED);
    assert_int_equal(look(mock, job).due_ms, 100000); /* 60 s, as with a real broker */
    skep_mock_advance(mock, 19999);
    assert_int_equal(look(mock, job).failures, 0);
    skep_mock_advance(mock, 1);
    assert_int_equal(look(mock, job).failures, 1);
    assert_int_equal(look(mock, job).state, SKEP_MOCK_RESERVED); /* by the same worker, since there is no other one */
    assert_true(look(mock, job).redelivered);
    skep_job *late = kept->job;
    OK(skep_job_concurrency(worker, "q", 2));
    OK(skep_mock_run_until(mock, keeps_two, worker, "the job is kept once more", PATIENCE_MS));
    assert_int_equal(look(mock, job).attempt, 2);
    skep_job_complete(late, SKEP_DONE);
    OK(skep_mock_expect_refused(mock, job, PATIENCE_MS));
    assert_int_equal(look(mock, job).state, SKEP_MOCK_RESERVED);
    assert_ptr_not_equal(kept->job, late);
    assert_true(kept->job->redelivered);
    assert_int_equal(kept->job->attempt, 2);
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_done(mock, job, NULL, 0, PATIENCE_MS));
    skep_mock_broker_free(&mock);
}

static void test_options_of_jobs(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    skep_job_options later = {.delay_ms = 1000}, brief = {.delay_ms = 1000, .ttl_ms = 900}, first = {.priority = -1};
    uint64_t delayed, expired, last = submit(mock, "plain"), urgent;
    OK(skep_mock_submit(mock, "q", "plain", 5, &later, &delayed));
    OK(skep_mock_submit(mock, "q", "plain", 5, &brief, &expired));
    OK(skep_mock_submit(mock, "q", "plain", 5, &first, &urgent));
    OK(skep_mock_expect_done(mock, urgent, NULL, 0, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, last, NULL, 0, PATIENCE_MS));
    OK(skep_mock_expect_quiet(mock, 0));
    skep_mock_advance(mock, 899);
    assert_int_equal(look(mock, expired).state, SKEP_MOCK_DELAYED);
    skep_mock_advance(mock, 1);
    assert_int_equal(look(mock, expired).state, SKEP_MOCK_DEAD);
    assert_int_equal(look(mock, delayed).due_ms, 1000);
    skep_mock_advance(mock, 100);
    assert_int_equal(skep_mock_now(mock), 1000);
    OK(skep_mock_expect_done(mock, delayed, NULL, 0, PATIENCE_MS));
    FAILS(SKEP_EINVAL, skep_mock_submit(mock, "", "", 0, NULL, NULL));
    skep_mock_broker_free(&mock);
}

static void test_priority_and_credit(void **state) {
    skep_mock_options one = {.credit = 1};
    skep_job_options first = {.priority = -1};
    skep_mock *mock = NULL;
    skep_worker *worker;
    uint64_t later, urgent;
    OK(skep_mock_broker_new(&mock, &one));
    later = submit(mock, "keep");
    OK(skep_mock_submit(mock, "q", "keep", 4, &first, &urgent));
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    OK(skep_on_job(worker, "q", do_job, *state));
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
    assert_int_equal(look(mock, urgent).state, SKEP_MOCK_RESERVED);
    assert_int_equal(look(mock, later).state, SKEP_MOCK_READY);
    skep_mock_broker_free(&mock);
}

static void test_leaving_gives_back(void **state) {
    struct kept *kept = *state;
    skep_worker *worker, *other;
    skep_mock *mock = open_mock(kept, &worker);
    uint64_t keeps = submit(mock, "keep"), waits = submit(mock, "result");
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
    OK(skep_mock_drain(mock, 1));
    OK(skep_mock_expect_released(mock, waits, PATIENCE_MS));
    assert_int_equal(look(mock, waits).attempt, 0);
    assert_false(look(mock, waits).redelivered);
    OK(skep_mock_broker_worker(mock, &other, NULL));
    OK(skep_on_job(other, "q", do_job, kept));
    OK(skep_mock_expect_done(mock, waits, "done!", 5, PATIENCE_MS));
    assert_int_equal(look(mock, waits).worker, 2);
    assert_true(skep_worker_is_connected(worker));
    skep_job_complete(kept->job, SKEP_DONE);
    OK(skep_mock_expect_done(mock, keeps, "", 0, PATIENCE_MS));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    FAILS(SKEP_ENOWORKER, skep_mock_drain(mock, 1));
    skep_mock_broker_free(&mock);
}

/* What had been begun is redelivered, what had not is not marked. */
static void test_a_worker_that_is_killed(void **state) {
    struct kept *kept = *state;
    skep_worker *worker;
    skep_mock *mock = open_mock(kept, &worker);
    uint64_t begun = submit(mock, "keep"), waits = submit(mock, "plain");
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
    OK(skep_mock_kill(mock, 1));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    assert_int_equal(look(mock, begun).state, SKEP_MOCK_READY);
    assert_true(look(mock, begun).redelivered);
    assert_int_equal(look(mock, begun).attempt, 1);
    assert_false(look(mock, waits).redelivered);
    assert_int_equal(look(mock, waits).attempt, 0);
    skep_mock_broker_free(&mock);
}

/* --- messages, counters --- */

static unsigned heard;

static void on_message(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    heard += message->broadcast;
    if (message->request == 0) {
        if (skep_send(worker, "echo", message->data, message->size_bytes) != SKEP_OK) abort();
    } else if (skep_reply(worker, message->from, message->request, SKEP_OK, message->data, message->size_bytes) !=
               SKEP_OK) {
        abort();
    }
}

static void on_reply(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    (void)worker;
    (void)data;
    *(size_t *)context = status == SKEP_OK ? size_bytes : SIZE_MAX;
}

static void on_request_count(skep_worker *worker, uint64_t count, void *context) {
    (void)worker;
    *(uint64_t *)context = count;
}

static bool is_set(void *context) {
    return *(uint64_t *)context != 0;
}

static void test_messages(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t request, counted = 0;
    size_t reply_bytes = 0;
    skep_on_message(worker, on_message, NULL);
    skep_on_request_count(worker, on_request_count, &counted);
    OK(skep_mock_send(mock, 1, "ping", "123", 3));
    OK(skep_mock_expect_message(mock, 1, "echo", "123", 3, PATIENCE_MS));
    OK(skep_mock_request(mock, 1, "ask", "4567", 4, &request));
    OK(skep_mock_expect_reply(mock, request, SKEP_OK, "4567", 4, PATIENCE_MS));
    OK(skep_request(worker, 0, "question", "?", 1, 0, on_reply, &reply_bytes));
    OK(skep_mock_expect_request(mock, 0, "question", "?", 1, &request, PATIENCE_MS));
    OK(skep_mock_reply(mock, 1, request, SKEP_OK, "answer", 6));
    OK(skep_mock_run_until(mock, is_set, &reply_bytes, "the reply", PATIENCE_MS));
    assert_int_equal(reply_bytes, 6);
    OK(skep_mock_request_count(mock, 1, 77));
    OK(skep_mock_run_until(mock, is_set, &counted, "the count", PATIENCE_MS));
    assert_int_equal(counted, 77);
    OK(skep_subscribe(worker));
    OK(skep_mock_expect_subscribed(mock, 1, PATIENCE_MS));
    heard = 0;
    OK(skep_mock_broadcast(mock, "all", "b", 1));
    OK(skep_mock_expect_message(mock, 1, "echo", "b", 1, PATIENCE_MS));
    assert_int_equal(heard, 1);
    skep_count(worker, "requests", 3);
    skep_count(worker, "cats", 1);
    OK(skep_mock_expect_count(mock, 1, "requests", 3, PATIENCE_MS));
    OK(skep_mock_expect_count(mock, 1, "cats", 1, PATIENCE_MS));
    OK(skep_mock_expect_quiet(mock, 0));
    skep_mock_broker_free(&mock);
}

/* --- connections --- */

static void on_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)listener;
    (void)context;
    if (write(fd, "hello", 5) != 5) abort();
    close(fd);
    skep_connection_finished(worker, fd);
}

static void try_connection(skep_mock *mock, skep_worker *worker, const char *url, uint64_t count) {
    int fd;
    skep_listener *listener;
    OK(skep_listen(worker, url, on_connection, NULL, &listener));
    OK(skep_mock_expect_listening(mock, 1, url, 0));
    OK(skep_mock_connect(mock, 0, url, &fd));
    OK(skep_mock_expect_bytes(mock, fd, "hello", 5, PATIENCE_MS));
    OK(skep_mock_expect_end(mock, fd, PATIENCE_MS));
    OK(skep_mock_expect_taken(mock, 1, count, PATIENCE_MS));
    OK(skep_mock_expect_finished(mock, 1, count, PATIENCE_MS));
    close(fd);
    skep_listener_close(listener);
}

/* What comes back on a connection and is not what was expected */
static void test_other_bytes(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    int fd;
    OK(skep_listen(worker, "name", on_connection, NULL, NULL));
    OK(skep_mock_connect(mock, 1, "name", &fd));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_bytes(mock, fd, "help", 4, PATIENCE_MS));
    assert_ptr_equal(strstr(skep_mock_why(mock), "expected within 10000 ms: 4 bytes \"help\"\n"
                                                 "came instead: 4 bytes \"hell\"\n"),
                     skep_mock_why(mock));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_end(mock, fd, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_bytes(mock, fd, NULL, 1, PATIENCE_MS));
    assert_non_null(strstr(skep_mock_why(mock), "came instead: 0 bytes \"\", then the end"));
    close(fd);
    skep_mock_broker_free(&mock);
}

static void test_connections(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    int fd;
    FAILS(SKEP_ENOWORKER, skep_mock_connect(mock, 0, "tcp://127.0.0.1:80", &fd));
    try_connection(mock, worker, "tcp://127.0.0.1:80", 1);
    try_connection(mock, worker, "unix:///run/nowhere", 2);
    OK(skep_mock_drain(mock, 1));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    skep_mock_broker_free(&mock);
}

static void test_a_job_that_was_never_there(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    FAILS(SKEP_ENOJOB, skep_mock_expect_done(mock, 7, NULL, 0, 10 * PATIENCE_MS));
    FAILS(SKEP_ENOJOB, skep_mock_expect_delivered(mock, 7, 0, 10 * PATIENCE_MS));
    FAILS(SKEP_ENOJOB, skep_mock_expect_dead(mock, 7, NULL, NULL, 10 * PATIENCE_MS));
    assert_ptr_equal(strstr(skep_mock_why(mock), "no job 7 was submitted"), skep_mock_why(mock));
    skep_mock_broker_free(&mock);
}

int main(void) {
    struct kept kept = {0};
#define TEST(function) cmocka_unit_test_prestate(function, &kept)
    const struct CMUnitTest tests[] = {
        TEST(test_done),
        TEST(test_retries),
        TEST(test_failing),
        TEST(test_leases),
        TEST(test_options_of_jobs),
        TEST(test_priority_and_credit),
        TEST(test_leaving_gives_back),
        TEST(test_a_worker_that_is_killed),
        TEST(test_messages),
        TEST(test_connections),
        TEST(test_other_bytes),
        TEST(test_a_job_that_was_never_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
