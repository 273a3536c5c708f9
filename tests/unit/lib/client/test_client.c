/* SPDX-License-Identifier: MIT
 * A client's life and its submissions, with a broker that does as it is told. */
#include "lib/client_hive.h"

#include "common/queue_options.h"

/* --- joining --- */

static void test_nobody(void **state) {
    struct pump *pump = *state;
    char url[128];
    skep_client *client = NULL;
    skep_client_options options = {.dir = pump->dir, .loop = &pump->loop};
    assert_int_equal(skep_client_new(&client, &options), SKEP_ENOBROKER);
    options = (skep_client_options){.url = "tcp://127.0.0.1:1", .loop = &pump->loop};
    assert_int_equal(skep_client_new(&client, &options), SKEP_EURL);
    options.url = "ipc:///control.1x";
    assert_int_equal(skep_client_new(&client, &options), SKEP_EURL);
    options.url = "ipc:///tmp/news.1";
    assert_int_equal(skep_client_new(&client, &options), SKEP_EURL);
    snprintf(url, sizeof url, "ipc://%s/control.7", pump->dir);
    options.url = url;
    assert_int_equal(skep_client_new(&client, &options), SKEP_ENOBROKER);
    options = (skep_client_options){.name = "a/b", .loop = &pump->loop};
    unsetenv(SKEP_ENV_DIR);
    assert_int_equal(skep_client_new(&client, &options), SKEP_EDIR);
    assert_null(client);
    skep_client_free(&client);
}

static void test_joining(void **state) {
    struct hive hive;
    begin(&hive, *state);
    assert_false(skep_client_is_connected(hive.client));
    assert_ptr_equal(skep_client_loop(hive.client), &hive.pump->loop);
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    assert_int_equal(hive.fake->joins, 1);
    assert_string_equal(skep_client_why(hive.client), "");
    end(&hive);
}

/* A broker that says no is asked again. */
static void test_refused_joining(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->refuses_joins = true;
    PUMP_UNTIL(hive.pump, hive.fake->joins >= 3);
    assert_int_equal(hive.joined, 0);
    assert_int_equal(hive.refusal, SKEP_ESTATE);
    assert_non_null(strstr(skep_client_why(hive.client), "stopping"));
    hive.fake->refuses_joins = false;
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    end(&hive);
}

static void test_url(void **state) {
    struct hive hive;
    char url[128];
    begin(&hive, *state);
    skep_client_free(&hive.client);
    fake_url(hive.fake, "control", url);
    skep_client_options options = {.url = url, .loop = &hive.pump->loop};
    assert_int_equal(skep_client_new(&hive.client, &options), SKEP_OK);
    skep_on_client_state(hive.client, on_state, &hive);
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    fake_stop(hive.fake);
    PUMP_UNTIL(hive.pump, hive.lost == 1);
    fake_start(hive.fake); /* another generation is another broker */
    submit(&hive, 1, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.outcomes == 2);
    assert_int_equal(hive.status, SKEP_ECLOSED);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
    assert_int_equal(hive.joined, 1);
    end(&hive);
}

/* --- answers --- */

static void test_acceptance(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 3000, NULL); /* before it has joined */
    assert_int_equal(skep_client_unaccepted(hive.client), 3000);
    PUMP_UNTIL(hive.pump, hive.answered == 3000);
    assert_int_equal(hive.accepted, 3000);
    expect_jobs(&hive, 1, 3000);
    for (unsigned i = 0; i < 3000; i++) assert_int_equal(hive.ids[i], i + 1);
    assert_int_equal(skep_client_unaccepted(hive.client), 0);
    assert_int_equal(skep_client_unfinished(hive.client), 0);
    assert_true(hive.fake->frames < 10);
    end(&hive);
}

static void test_options(void **state) {
    struct hive hive;
    struct fake *fake;
    skep_job_options options = {.priority = -1, .delay_ms = 20, .ttl_ms = 30, .attempts = 4, .key = "key one"};
    begin(&hive, *state);
    fake = hive.fake;
    assert_int_equal(skep_submit(hive.client, "print", "x", 1, &options, on_accepted, on_outcome, &hive), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.answered == 1);
    assert_string_equal(fake->queue, "print");
    assert_string_equal(fake->key, "key one");
    assert_int_equal(fake->submit.priority, 127);
    assert_int_equal(fake->submit.delay_ms, 20);
    assert_int_equal(fake->submit.ttl_ms, 30);
    assert_int_equal(fake->submit.attempts, 4);
    assert_true(fake->submit.outcomes);
    options = (skep_job_options){.key = NULL};
    assert_int_equal(skep_submit(hive.client, "print", NULL, 0, &options, on_accepted, NULL, &hive), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.answered == 2);
    assert_false(fake->submit.outcomes);
    assert_false(SKEP_HAS(submit, &fake->submit, keys));
    assert_false(SKEP_HAS(submit, &fake->submit, priority));
    end(&hive);
}

static void test_many(void **state) {
    struct hive hive;
    size_t n = 0;
    struct iovec jobs[3] = {{"1", 1}, {"2", 1}, {"3", 1}};
    begin(&hive, *state);
    assert_int_equal(skep_submit_many(hive.client, "mail", jobs, 3, NULL, on_accepted, NULL, &hive, &n), SKEP_OK);
    assert_int_equal(n, 3);
    PUMP_UNTIL(hive.pump, hive.accepted == 3);
    expect_jobs(&hive, 1, 3);
    jobs[1].iov_len = SKEP_MAX_PAYLOAD + 1;
    assert_int_equal(skep_submit_many(hive.client, "mail", jobs, 3, NULL, on_accepted, NULL, &hive, &n), SKEP_ETOOBIG);
    assert_int_equal(n, 1);
    PUMP_UNTIL(hive.pump, hive.accepted == 4);
    end(&hive);
}

static void expect_refusal(struct hive *hive, const char *queue, size_t size_bytes, skep_job_options options,
                           int status) {
    char why[SKEP_MAX_REASON + 1];
    assert_int_equal(skep_submit(hive->client, queue, "x", size_bytes, &options, on_accepted, on_outcome, hive),
                     status);
    if (skep__job_options_check(queue, &options, why) == SKEP_OK)
        assert_int_equal(skep__job_size_check(queue, size_bytes, why), status);
    assert_string_equal(skep_client_why(hive->client), why);
}

static void test_bad_submissions(void **state) {
    struct hive hive;
    char name[SKEP_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    begin(&hive, *state);
    skep_job_options none = {0};
    expect_refusal(&hive, "", 1, none, SKEP_EINVAL);
    expect_refusal(&hive, NULL, 1, none, SKEP_EINVAL);
    expect_refusal(&hive, name, 1, none, SKEP_EINVAL);
    expect_refusal(&hive, "q", 1, (skep_job_options){.key = ""}, SKEP_EINVAL);
    expect_refusal(&hive, "q", 1, (skep_job_options){.key = name}, SKEP_EINVAL);
    expect_refusal(&hive, "q", 1, (skep_job_options){.priority = 128}, SKEP_EINVAL);
    expect_refusal(&hive, "q", 1, (skep_job_options){.priority = -129}, SKEP_EINVAL);
    expect_refusal(&hive, "q", 1, (skep_job_options){.attempts = 65536}, SKEP_EINVAL);
    expect_refusal(&hive, "q", 1, (skep_job_options){.lease_ms = 99}, SKEP_EINVAL);
    expect_refusal(&hive, "q", SKEP_MAX_PAYLOAD + 1, none, SKEP_ETOOBIG);
    assert_int_equal(skep_client_unaccepted(hive.client), 0);
    assert_int_equal(skep_client_unfinished(hive.client), 0);
    end(&hive);
    assert_int_equal(hive.answered + hive.outcomes, 0);
}

static void test_decline(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->declines = SKEP_EFULL;
    submit(&hive, 1, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.outcomes == 2);
    assert_int_equal(hive.answered, 2);
    assert_int_equal(hive.status, SKEP_EFULL);
    assert_int_equal(hive.outcome.status, SKEP_EFULL);
    assert_non_null(strstr(skep_client_why(hive.client), "no room for it"));
    assert_int_equal(skep_client_unfinished(hive.client), 0);
    end(&hive);
}

static void test_duplicate(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->says_duplicate = true;
    hive.fake->ids = 41;
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.status, SKEP_EDUPLICATE);
    assert_int_equal(hive.ids[0], 42);
    assert_int_equal(hive.outcome.status, SKEP_EDUPLICATE);
    end(&hive);
}

static void test_a_duplicate_of_a_job_that_has_ended(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->says_duplicate = true;
    hive.fake->says_ended = "done";
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_EDUPLICATE);
    hive.fake->says_ended = "expired";
    submit(&hive, 2, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.outcomes == 2);
    assert_int_equal(hive.status, SKEP_EDUPLICATE);
    assert_int_equal(hive.outcome.status, SKEP_EDEAD);
    assert_string_equal(hive.cause, "expired");
    assert_string_equal(hive.reason, "");
    assert_non_null(strstr(skep_client_why(hive.client), "expired"));
    end(&hive);
}

static void test_a_duplicate_that_waits(void **state) {
    struct hive hive;
    begin(&hive, *state);
    hive.fake->says_duplicate = hive.fake->says_waits = true;
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.answered == 1);
    assert_int_equal(hive.status, SKEP_EDUPLICATE);
    assert_int_equal(skep_client_unfinished(hive.client), 1);
    fake_finish(hive.fake, 1, "result", 6);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_OK);
    end(&hive);
}

/* --- outcomes --- */

static void test_outcome(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 2);
    assert_int_equal(skep_client_unfinished(hive.client), 2);
    fake_finish(hive.fake, 7, "nobody's", 8);
    fake_finish(hive.fake, 2, "done", 4);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_OK);
    assert_string_equal(hive.result, "done");
    assert_int_equal(skep_client_unfinished(hive.client), 1);
    fake_finish(hive.fake, 2, "again", 5);
    fake_finish(hive.fake, 1, "", 0);
    PUMP_UNTIL(hive.pump, skep_client_unfinished(hive.client) == 0);
    assert_int_equal(hive.outcomes, 2);
    assert_string_equal(hive.result, "");
    end(&hive);
}

static void test_death(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 1);
    struct skep_command died = {.id = SKEP_COMMAND_died, .died = {.number = 1, .cause = fake_bytes("attempts")}};
    SKEP_SET(died, &died.died, reason, fake_bytes("no paper"));
    fake_return(hive.fake, &died);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_EDEAD);
    assert_string_equal(hive.cause, "attempts");
    assert_string_equal(hive.reason, "no paper");
    end(&hive);
}

/* --- limits --- */

static void test_behind(void **state) {
    struct hive hive;
    static char job[64 * 1024];
    unsigned n = 0;
    int status = SKEP_OK;
    begin(&hive, *state);
    hive.fake->ignores_submits = true;
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    for (; status == SKEP_OK; n += status == SKEP_OK)
        status = skep_submit(hive.client, "mail", job, sizeof job, NULL, on_accepted, NULL, &hive);
    assert_int_equal(status, SKEP_EAGAIN);
    assert_int_equal(n, 64); /* 4 MiB, and a little for each */
    assert_int_equal(hive.drained, 0);
    hive.fake->ignores_submits = false;
    PUMP_UNTIL(hive.pump, hive.drained == 1);
    assert_true(hive.answered >= n / 2);
    PUMP_UNTIL(hive.pump, hive.answered == n);
    assert_int_equal(hive.drained, 1);
    end(&hive);
}

/* A callback may submit: here each answer leads to the next job. */
static void submit_next(skep_client *client, int status, uint64_t id, void *context) {
    struct hive *hive = context;
    on_accepted(client, status, id, context);
    if (status == SKEP_OK && hive->answered < 500)
        assert_int_equal(skep_submit(client, "mail", "x", 1, NULL, submit_next, NULL, hive), SKEP_OK);
}

static void test_submitting_in_callbacks(void **state) {
    struct hive hive;
    begin(&hive, *state);
    assert_int_equal(skep_submit(hive.client, "mail", "x", 1, NULL, submit_next, NULL, &hive), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.answered == 500);
    assert_int_equal(hive.fake->job_count, 500);
    end(&hive);
}

/* --- the end --- */

static void test_free_with_pending(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 2);
    hive.fake->ignores_submits = true;
    submit(&hive, 3, 4, on_outcome);
    PUMP_UNTIL(hive.pump, hive.fake->submits > 1);
    submit(&hive, 5, 5, on_outcome);
    end(&hive);
    assert_int_equal(hive.answered, 5);
    assert_int_equal(hive.status, SKEP_ECLOSED);
    assert_int_equal(hive.outcomes, 5);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
}

/* Nothing is taken any more while the client is being freed. */
static void submit_again(skep_client *client, int status, uint64_t id, void *context) {
    on_accepted(client, status, id, context);
    assert_int_equal(skep_submit(client, "mail", "x", 1, NULL, submit_again, NULL, context), SKEP_ECLOSED);
}

static void test_free_at_once(void **state) {
    struct hive hive;
    begin(&hive, *state);
    assert_int_equal(skep_submit(hive.client, "mail", "x", 1, NULL, submit_again, NULL, &hive), SKEP_OK);
    end(&hive);
    assert_int_equal(hive.answered, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_nobody),
        PUMP_TEST(test_joining),
        PUMP_TEST(test_refused_joining),
        PUMP_TEST(test_url),
        PUMP_TEST(test_acceptance),
        PUMP_TEST(test_options),
        PUMP_TEST(test_many),
        PUMP_TEST(test_bad_submissions),
        PUMP_TEST(test_decline),
        PUMP_TEST(test_duplicate),
        PUMP_TEST(test_a_duplicate_of_a_job_that_has_ended),
        PUMP_TEST(test_a_duplicate_that_waits),
        PUMP_TEST(test_outcome),
        PUMP_TEST(test_death),
        PUMP_TEST(test_behind),
        PUMP_TEST(test_submitting_in_callbacks),
        PUMP_TEST(test_free_with_pending),
        PUMP_TEST(test_free_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
