/* SPDX-License-Identifier: MIT
 * A mock client of a mock broker: what the broker answers, and what is said when something else was expected. */
#include "lib/mocked.h"

static skep_mock *open_with_client(skep_mock_client **client) {
    skep_mock *mock = NULL;
    OK(skep_mock_broker_new(&mock, NULL));
    OK(skep_mock_broker_client(mock, client));
    return mock;
}

static uint64_t ask_for(skep_mock *mock, skep_mock_client *client, const char *data, const skep_job_options *options) {
    uint64_t number = 0;
    OK(skep_mock_client_submit(client, "q", data, strlen(data), options, &number));
    return number;
}

static void assert_why(const skep_mock_client *client, const char *wanted) {
    if (strcmp(skep_mock_client_why(client), wanted) != 0)
        fail_msg("%s\ninstead of\n%s", skep_mock_client_why(client), wanted);
}

static void test_done_by_a_worker(void **state) {
    skep_mock_client *client;
    skep_mock *mock = open_with_client(&client);
    skep_worker *worker;
    uint64_t id = 0;
    skep_job_options once = {.attempts = 1};
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    OK(skep_on_job(worker, "q", do_job, *state));
    uint64_t done = ask_for(mock, client, "result", NULL), failed = ask_for(mock, client, "fail", NULL);
    uint64_t tried = ask_for(mock, client, "retry", &once);
    OK(skep_mock_client_expect_answer(client, done, SKEP_OK, &id, PATIENCE_MS));
    assert_int_equal(id, 1);
    OK(skep_mock_client_expect_result(client, done, "done!", 5, PATIENCE_MS));
    OK(skep_mock_client_expect_dead(client, failed, "refused", "no such file", PATIENCE_MS));
    OK(skep_mock_client_expect_dead(client, tried, "attempts", NULL, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, id, "done!", 5, 0));
    skep_mock_client_free(&client);
    assert_null(client);
    skep_mock_broker_free(&mock);
}

static void test_done_by_the_test(void **state) {
    skep_mock_client *client;
    skep_mock *mock = open_with_client(&client);
    skep_job_options brief = {.ttl_ms = 100}, first = {.priority = -5};
    uint64_t job, number = ask_for(mock, client, "a cat", NULL);
    (void)state;
    OK(skep_mock_expect_submitted(mock, "q", "a cat", 5, &job, PATIENCE_MS));
    OK(skep_mock_finish(mock, job, "small", 5));
    FAILS(SKEP_ESTATE, skep_mock_finish(mock, job, "", 0));
    OK(skep_mock_client_expect_result(client, number, "small", 5, PATIENCE_MS));
    number = ask_for(mock, client, "dog", &first);
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_submitted(mock, "q", "cow", 3, NULL, PATIENCE_MS));
    assert_ptr_equal(strstr(skep_mock_why(mock), "expected within 10000 ms: a job for q, \"cow\"\n"
                                                 "came instead: a job for q, \"dog\"\n"),
                     skep_mock_why(mock));
    OK(skep_mock_expect_submitted(mock, NULL, NULL, 0, &job, 0));
    FAILS(SKEP_EINVAL, skep_mock_bury(mock, job, "boredom", ""));
    OK(skep_mock_bury(mock, job, "deaths", "SIGSEGV"));
    OK(skep_mock_client_expect_dead(client, number, "deaths", "SIGSEGV", PATIENCE_MS));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_submitted(mock, NULL, NULL, 0, NULL, 0));
    FAILS(SKEP_ENOJOB, skep_mock_bury(mock, 99, "deaths", ""));
    number = ask_for(mock, client, "x", &brief);
    OK(skep_mock_client_expect_answer(client, number, SKEP_OK, NULL, PATIENCE_MS));
    skep_mock_advance(mock, 100);
    OK(skep_mock_client_expect_dead(client, number, "expired", "", PATIENCE_MS));
    skep_mock_client_free(&client);
    skep_mock_broker_free(&mock);
}

/* A copy of a job that has ended: how it ended, as long as the key is remembered. */
static void test_copies_of_what_has_ended(void **state) {
    skep_mock_client *client;
    skep_mock *mock = open_with_client(&client);
    skep_job_options good = {.key = "good"}, bad = {.key = "bad"};
    uint64_t job, copy;
    (void)state;
    uint64_t number = ask_for(mock, client, "a", &good);
    OK(skep_mock_expect_submitted(mock, NULL, NULL, 0, &job, PATIENCE_MS));
    OK(skep_mock_finish(mock, job, "result", 6));
    OK(skep_mock_client_expect_result(client, number, "result", 6, PATIENCE_MS));
    copy = ask_for(mock, client, "a", &good);
    FAILS(SKEP_EUNEXPECTED, skep_mock_client_expect_result(client, copy, NULL, 0, PATIENCE_MS));
    assert_non_null(strstr(skep_mock_client_why(client), "what came of it: EDUPLICATE"));
    number = ask_for(mock, client, "b", &bad);
    OK(skep_mock_expect_submitted(mock, NULL, NULL, 0, &job, PATIENCE_MS));
    OK(skep_mock_bury(mock, job, "deaths", "SIGSEGV"));
    OK(skep_mock_client_expect_dead(client, number, "deaths", "SIGSEGV", PATIENCE_MS));
    copy = ask_for(mock, client, "b", &bad);
    OK(skep_mock_client_expect_answer(client, copy, SKEP_EDUPLICATE, NULL, PATIENCE_MS));
    OK(skep_mock_client_expect_dead(client, copy, "deaths", "", PATIENCE_MS));
    skep_mock_client_free(&client);
    skep_mock_broker_free(&mock);
}

static void test_declined(void **state) {
    skep_mock_client *client;
    skep_mock *mock = open_with_client(&client);
    (void)state;
    skep_mock_answer(mock, SKEP_EFULL);
    uint64_t number = ask_for(mock, client, "a", NULL);
    OK(skep_mock_client_expect_answer(client, number, SKEP_EFULL, NULL, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_client_expect_answer(client, number, SKEP_OK, NULL, PATIENCE_MS));
    assert_why(client, "expected within 10000 ms: job 1 accepted\nit was declined with the status EFULL");
    skep_mock_answer(mock, SKEP_OK);
    number = ask_for(mock, client, "b", NULL);
    OK(skep_mock_client_expect_answer(client, number, SKEP_OK, NULL, PATIENCE_MS));
    skep_mock_answer(mock, SKEP_MOCK_SILENT);
    number = ask_for(mock, client, "c", NULL);
    FAILS(SKEP_ETIMEDOUT, skep_mock_client_expect_answer(client, number, SKEP_OK, NULL, SOON_MS));
    assert_why(client, "expected within 50 ms: job 3 accepted\nit was neither accepted nor declined");
    skep_mock_answer(mock, SKEP_OK); /* the client asks again when it has heard nothing for a while */
    OK(skep_mock_client_expect_answer(client, number, SKEP_OK, NULL, PATIENCE_MS));
    skep_mock_client_free(&client);
    skep_mock_broker_free(&mock);
}

static void test_what_is_said(void **state) {
    skep_mock_client *client;
    skep_mock *mock = open_with_client(&client);
    uint64_t job, number = ask_for(mock, client, "a", NULL), request;
    (void)state;
    OK(skep_mock_expect_submitted(mock, NULL, NULL, 0, &job, PATIENCE_MS));
    FAILS(SKEP_ETIMEDOUT, skep_mock_client_expect_result(client, number, "x", 1, SOON_MS));
    assert_why(client, "expected within 50 ms: job 1 done, the result \"x\"\nit was accepted as job 1");
    OK(skep_mock_finish(mock, job, "y", 1));
    FAILS(SKEP_EUNEXPECTED, skep_mock_client_expect_result(client, number, "x", 1, PATIENCE_MS));
    assert_why(client, "expected within 10000 ms: job 1 done, the result \"x\"\nit was accepted as job 1\n"
                       "what came of it: OK, \"y\"");
    FAILS(SKEP_EUNEXPECTED, skep_mock_client_expect_dead(client, number, "deaths", NULL, PATIENCE_MS));
    FAILS(SKEP_ENOJOB, skep_mock_client_expect_result(client, 9, NULL, 0, PATIENCE_MS));
    assert_why(client, "no job 9 was sent");
    OK(skep_mock_client_request(client, 1, NULL, "ask", "", 0, &request));
    FAILS(SKEP_EUNEXPECTED, skep_mock_client_expect_reply(client, request, SKEP_OK, NULL, 0, PATIENCE_MS));
    OK(skep_mock_client_expect_reply(client, request, SKEP_ENOWORKER, NULL, 0, 0));
    FAILS(SKEP_EINVAL, skep_mock_client_submit(client, "", "", 0, NULL, &number));
    skep_mock_client_free(&client);
    skep_mock_broker_free(&mock);
}

static void heard(skep_client *client, int status, const skep_broker_info *info, void *context) {
    (void)client;
    if (status == SKEP_OK && info->queue_count == 1 && info->queues[0].ready == 2 && info->worker_count == 1)
        *(bool *)context = true;
}

static bool is_true(void *context) {
    return *(bool *)context;
}

static void test_status(void **state) {
    skep_mock_client *client;
    skep_mock *mock = open_with_client(&client);
    skep_worker *worker;
    bool right = false;
    (void)state;
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    ask_for(mock, client, "a", NULL);
    uint64_t number = ask_for(mock, client, "b", NULL);
    OK(skep_mock_client_expect_answer(client, number, SKEP_OK, NULL, PATIENCE_MS));
    OK(skep_client_status(skep_mock_client_inside(client), heard, &right));
    OK(skep_mock_run_until(mock, is_true, &right, "two jobs that are ready, one worker", PATIENCE_MS));
    skep_mock_client_free(&client); /* with outcomes that are still due */
    skep_mock_broker_free(&mock);
}

static void test_no_broker(void **state) {
    skep_mock_client *client = NULL;
    (void)state;
    assert_int_equal(skep_mock_client_new(&client, "/nowhere/at/all"), SKEP_ENOBROKER);
    assert_null(client);
}

int main(void) {
    struct kept kept = {0};
#define TEST(function) cmocka_unit_test_prestate(function, &kept)
    const struct CMUnitTest tests[] = {
        TEST(test_done_by_a_worker),
        TEST(test_done_by_the_test),
        TEST(test_declined),
        TEST(test_what_is_said),
        TEST(test_status),
        TEST(test_no_broker),
        TEST(test_copies_of_what_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
