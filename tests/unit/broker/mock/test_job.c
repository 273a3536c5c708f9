/* SPDX-License-Identifier: MIT
 * A mock broker's clients ask for single jobs, as they ask a real one. */
#include "lib/mocked.h"

#include <skep/client.h>

struct told {
    bool is_there;
    int status;
    char state[32], cause[32];
};

static void on_status(skep_client *client, int status, const skep_job_info *info, void *context) {
    struct told *told = context;
    (void)client;
    told->is_there = true;
    told->status = status;
    snprintf(told->state, sizeof told->state, "%s", info != NULL ? info->state : "");
}

static void on_cancel(skep_client *client, int status, const char *was, void *context) {
    struct told *told = context;
    (void)client;
    told->is_there = true;
    told->status = status;
    snprintf(told->state, sizeof told->state, "%s", was != NULL ? was : "");
}

static void on_outcome(skep_client *client, const skep_outcome *outcome, void *context) {
    struct told *told = context;
    (void)client;
    told->is_there = true;
    told->status = outcome->status;
    snprintf(told->cause, sizeof told->cause, "%s", outcome->cause);
}

static void run_until(skep_mock *mock, const struct told *told) {
    while (!told->is_there) uv_run(skep_mock_loop(mock), UV_RUN_ONCE);
}

static struct told ask(skep_mock *mock, skep_client *client, uint64_t job) {
    struct told told = {.is_there = false};
    OK(skep_job_status(client, job, on_status, &told));
    run_until(mock, &told);
    return told;
}

static struct told cancel(skep_mock *mock, skep_client *client, uint64_t job) {
    struct told told = {.is_there = false};
    OK(skep_job_cancel(client, job, on_cancel, &told));
    run_until(mock, &told);
    return told;
}

static void test_questions_and_waiting(void **state) {
    skep_mock *mock = NULL;
    skep_client *client = NULL;
    skep_mock_job info;
    uint64_t first = 0, second = 0;
    struct told awaited = {.is_there = false};
    (void)state;
    OK(skep_mock_broker_new(&mock, NULL));
    OK(skep_mock_submit(mock, "mail", "a", 1, NULL, &first));
    OK(skep_mock_submit(mock, "mail", "b", 1, &(skep_job_options){.delay_ms = 1000}, &second));
    OK(skep_client_new(&client,
                       &(skep_client_options){.dir = skep_mock_broker_dir(mock), .loop = skep_mock_loop(mock)}));
    assert_string_equal(ask(mock, client, first).state, "ready");
    assert_string_equal(ask(mock, client, second).state, "delayed");
    assert_int_equal(ask(mock, client, 99).status, SKEP_ENOJOB);
    OK(skep_job_await(client, first, on_outcome, &awaited));
    assert_string_equal(ask(mock, client, first).state, "ready"); /* what was asked before has come */
    struct told cancelled = cancel(mock, client, second);
    assert_int_equal(cancelled.status, SKEP_OK);
    assert_string_equal(cancelled.state, "delayed");
    OK(skep_mock_look(mock, second, &info));
    assert_string_equal(info.cause, "cancelled");
    OK(skep_mock_finish(mock, first, "result", 6));
    run_until(mock, &awaited);
    assert_int_equal(awaited.status, SKEP_OK);
    assert_int_equal(cancel(mock, client, first).status, SKEP_ENOJOB);
    skep_client_free(&client);
    skep_mock_broker_free(&mock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions_and_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
