/* SPDX-License-Identifier: MIT
 * A mock worker in this process, driven by a mock broker in this process. */
#include "lib/mocked.h"

#include "worker/private.h"

struct pair {
    skep_mock *mock;
    skep_worker *worker;
    skep_mock_script *script;
    skep_mock_worker *mock_worker;
};

static struct pair open_pair(const char *text) {
    struct pair p = {0};
    skep_mock *mock = NULL;
    char why[SKEP_MOCK_WHY_BYTES];
    OK(skep_mock_broker_new(&mock, NULL));
    OK(skep_mock_broker_worker(mock, &p.worker, "mocked"));
    OK(skep_mock_script_parse(&p.script, text, why));
    OK(skep_mock_worker_new(&p.mock_worker, p.worker, p.script));
    p.mock = mock;
    return p;
}

static void close_pair(struct pair *p) {
    skep_mock_worker_free(&p->mock_worker);
    assert_null(p->mock_worker);
    skep_mock_script_free(&p->script);
    skep_mock_broker_free(&p->mock);
}

static void test_jobs(void **state) {
    struct pair p = open_pair("handle q concurrency 9\njob 1 reply one\njob 2 delay 10ms echo\njob 3 fail \"no\"\n"
                              "job 4 attempt 1 retry 1s \"later\"\njob 5 extend never\njob 7 work 10ms");
    skep_mock *mock = p.mock;
    (void)state;
    OK(skep_mock_expect_handles(mock, 1, "q", 9, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, submit(mock, "a"), "one", 3, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, submit(mock, "two"), "two", 3, PATIENCE_MS));
    OK(skep_mock_expect_failed(mock, submit(mock, "a"), "no", PATIENCE_MS));
    uint64_t later = submit(mock, "a"), never = 5;
    OK(skep_mock_expect_retried(mock, later, 1000, "later", PATIENCE_MS));
    assert_int_equal(submit(mock, "a"), never);
    OK(skep_mock_expect_extended(mock, never, PATIENCE_MS));
    skep_mock_advance(mock, 1000);
    OK(skep_mock_expect_done(mock, later, "", 0, PATIENCE_MS)); /* the sixth that came: without a rule */
    OK(skep_mock_expect_done(mock, submit(mock, "a"), "", 0, PATIENCE_MS));
    OK(skep_mock_expect_quiet(mock, SOON_MS));
    close_pair(&p);
}

static void test_messages(void **state) {
    struct pair p = open_pair("subscribe\nmessage greet reply hi count requests 2\nmessage tell send told \"it\"\n"
                              "message say echo\nmessage quiet never");
    skep_mock *mock = p.mock;
    uint64_t request;
    (void)state;
    OK(skep_mock_request(mock, 1, "greet", "", 0, &request));
    OK(skep_mock_expect_reply(mock, request, SKEP_OK, "hi", 2, PATIENCE_MS));
    OK(skep_mock_expect_count(mock, 1, "requests", 2, PATIENCE_MS));
    OK(skep_mock_request(mock, 1, "unknown", "x", 1, &request));
    OK(skep_mock_expect_reply(mock, request, SKEP_OK, "", 0, PATIENCE_MS));
    OK(skep_mock_request(mock, 1, "quiet", "x", 1, &request));
    OK(skep_mock_broadcast(mock, "tell", "", 0));
    OK(skep_mock_expect_message(mock, 1, "told", "it", 2, PATIENCE_MS));
    OK(skep_mock_send(mock, 1, "say", "back", 4));
    OK(skep_mock_expect_message(mock, 1, "say", "back", 4, PATIENCE_MS));
    OK(skep_mock_expect_quiet(mock, SOON_MS));
    close_pair(&p);
}

static void test_connections(void **state) {
    struct pair p = open_pair("listen web\nconnection 1 hold 100ms write hello close\nconnection 2 refuse\n"
                              "connection 3 echo");
    skep_mock *mock = p.mock;
    int fd, echo;
    (void)state;
    OK(skep_mock_connect(mock, 1, "web", &fd));
    OK(skep_mock_expect_bytes(mock, fd, "hello", 5, PATIENCE_MS));
    OK(skep_mock_expect_end(mock, fd, PATIENCE_MS));
    close(fd);
    OK(skep_mock_expect_finished(mock, 1, 1, PATIENCE_MS));
    OK(skep_mock_expect_taken(mock, 1, 1, PATIENCE_MS));
    OK(skep_mock_connect(mock, 1, "web", &fd));
    OK(skep_mock_connect(mock, 1, "web", &echo));
    assert_int_equal(write(echo, "abc", 3), 3);
    OK(skep_mock_expect_bytes(mock, echo, "abc", 3, PATIENCE_MS));
    assert_int_equal(skep_worker_connections(p.worker), 1); /* the other one was refused */
    close(fd);
    OK(skep_mock_drain(mock, 1));
    OK(skep_mock_expect_end(mock, echo, PATIENCE_MS));
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    close(echo);
    close_pair(&p);
}

static bool is_leaving(void *worker) {
    return !skep_worker_is_connected(worker);
}

static void test_leaving(void **state) {
    struct pair p = open_pair("leave never");
    skep_mock *mock = p.mock;
    (void)state;
    OK(skep_mock_drain(mock, 1));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_left(mock, 1, SOON_MS));
    close_pair(&p);
    p = open_pair("leave delay 10ms");
    mock = p.mock;
    OK(skep_mock_drain(mock, 1));
    OK(skep_mock_run_until(mock, is_leaving, p.worker, "it has left", PATIENCE_MS));
    close_pair(&p);
}

static void test_malformed(void **state) {
    struct pair p = open_pair("handle q\njob 1 malformed outbox\njob 2 malformed link");
    skep_mock *mock = p.mock;
    (void)state;
    OK(skep_mock_expect_done(mock, submit(mock, "a"), NULL, 0, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_quiet(mock, PATIENCE_MS));
    if (strstr(skep_mock_why(mock), "what is no frame") == NULL) fail_msg("%s", skep_mock_why(mock));
    OK(skep_mock_expect_done(mock, submit(mock, "a"), NULL, 0, PATIENCE_MS));
    close_pair(&p);
}

/* Durations are nothing to be expected, unless they are no histogram. */
static void test_durations(void **state) {
    struct pair p = open_pair("handle q");
    skep_mock *mock = p.mock;
    struct skep_command handled = {.id = SKEP_COMMAND_handled, .handled = {.what = {"job", 3}, .times = {"\x80", 1}}};
    (void)state;
    skep_request_handled(p.worker, 1000);
    skep__worker_send_times(p.worker);
    OK(skep_mock_expect_quiet(mock, SOON_MS));
    OK(skep__outlet_add(p.worker->outbox, &handled));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_quiet(mock, PATIENCE_MS));
    if (strstr(skep_mock_why(mock), "times: no histogram") == NULL) fail_msg("%s", skep_mock_why(mock));
    close_pair(&p);
}

/* Freed while all of it is under way. */
static void test_freeing(void **state) {
    struct pair p = open_pair("handle q concurrency 3\nlisten web\njob 1 never\njob 2 delay 60s\njob 3 work 60s\n"
                              "connection 1 echo\nconnection 2 delay 60s\nmessage * delay 60s");
    skep_mock *mock = p.mock;
    int fd, other;
    (void)state;
    submit(mock, "a");
    submit(mock, "b");
    OK(skep_mock_send(mock, 1, "x", "", 0));
    OK(skep_mock_expect_delivered(mock, submit(mock, "c"), 1, PATIENCE_MS));
    OK(skep_mock_connect(mock, 1, "web", &fd));
    OK(skep_mock_connect(mock, 1, "web", &other));
    OK(skep_mock_expect_taken(mock, 1, 2, PATIENCE_MS));
    skep_mock_worker_free(&p.mock_worker);
    close(fd);
    assert_int_equal(skep_worker_connections(p.worker), 0);
    OK(skep_mock_connect(mock, 1, "web", &fd));
    OK(skep_mock_expect_end(mock, fd, PATIENCE_MS));
    close(fd);
    close(other);
    close_pair(&p);
}

static void test_wrong_scripts(void **state) {
    char why[SKEP_MOCK_WHY_BYTES];
    (void)state;
    assert_int_equal(skep_mock_worker_run("handle", why), SKEP_EINVAL);
    assert_string_equal(why, "line 1: it ends, expected a queue");
    assert_int_equal(skep_mock_worker_run("handle q", why), SKEP_ENOTWORKER);
    assert_string_equal(why, skep_strerror(SKEP_ENOTWORKER));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs),    cmocka_unit_test(test_messages),      cmocka_unit_test(test_connections),
        cmocka_unit_test(test_leaving), cmocka_unit_test(test_malformed),     cmocka_unit_test(test_durations),
        cmocka_unit_test(test_freeing), cmocka_unit_test(test_wrong_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
