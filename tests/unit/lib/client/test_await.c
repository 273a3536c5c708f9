/* SPDX-License-Identifier: MIT
 * Jobs by their ids: outcomes that are asked for at another broker, or because the user names a job; questions. */
#include "lib/client_hive.h"

enum { STORE = 5 };

static void begin_durable(struct hive *hive, void **state) {
    begin(hive, *state);
    hive->fake->store = STORE;
}

static void restart(struct hive *hive) {
    unsigned lost = hive->lost, joined = hive->joined;
    fake_stop(hive->fake);
    PUMP_UNTIL(hive->pump, hive->lost == lost + 1);
    fake_start(hive->fake);
    PUMP_UNTIL(hive->pump, hive->joined == joined + 1);
}

static void forget(const struct hive *hive, uint64_t number, int status) {
    struct skep_command command = {.id = SKEP_COMMAND_forgotten,
                                   .forgotten = {.number = number, .status = (uint64_t)status}};
    fake_return(hive->fake, &command);
}

static void test_the_next_broker_is_asked(void **state) {
    struct hive hive;
    begin_durable(&hive, state);
    submit(&hive, 1, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 2);
    restart(&hive);
    PUMP_UNTIL(hive.pump, hive.fake->awaits == 2);
    assert_int_equal(hive.outcomes, 0);
    assert_int_equal(hive.fake->await[0].id, 1);
    assert_int_equal(hive.fake->await[1].id, 2);
    restart(&hive);
    PUMP_UNTIL(hive.pump, hive.fake->awaits == 2);
    fake_finish(hive.fake, hive.fake->await[1].number, "two", 3);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_OK);
    assert_string_equal(hive.result, "two");
    assert_int_equal(skep_client_unfinished(hive.client), 1);
    submit(&hive, 3, 3, on_outcome); /* whose number is that of the first job before */
    PUMP_UNTIL(hive.pump, hive.accepted == 3);
    fake_finish(hive.fake, 1, "three", 5);
    PUMP_UNTIL(hive.pump, hive.outcomes == 2);
    assert_string_equal(hive.result, "three");
    end(&hive);
    assert_int_equal(hive.outcomes, 3);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
}

static void test_one_with_other_jobs_is_not(void **state) {
    struct hive hive;
    begin_durable(&hive, state);
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 1);
    hive.fake->store = STORE + 1;
    restart(&hive);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
    assert_int_equal(hive.fake->awaits, 0);
    end(&hive);
}

static void test_jobs_in_memory_are_lost_at_once(void **state) {
    struct hive hive;
    begin(&hive, *state);
    submit(&hive, 1, 1, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 1);
    fake_stop(hive.fake);
    PUMP_UNTIL(hive.pump, hive.lost == 1);
    assert_int_equal(hive.outcomes, 1);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
    end(&hive);
}

static void test_what_is_forgotten_is_unknown(void **state) {
    struct hive hive;
    begin_durable(&hive, state);
    submit(&hive, 1, 2, on_outcome);
    PUMP_UNTIL(hive.pump, hive.accepted == 2);
    restart(&hive);
    PUMP_UNTIL(hive.pump, hive.fake->awaits == 2);
    forget(&hive, hive.fake->await[0].number, SKEP_ENOJOB);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
    forget(&hive, hive.fake->await[1].number, SKEP_ENOSPC);
    PUMP_UNTIL(hive.pump, hive.outcomes == 2);
    assert_int_equal(hive.outcome.status, SKEP_ENOSPC);
    end(&hive);
}

static void test_a_job_that_the_user_names(void **state) {
    struct hive hive;
    begin(&hive, *state); /* it is asked for when the client has joined */
    assert_int_equal(skep_job_await(hive.client, 0, on_outcome, &hive), SKEP_EINVAL);
    assert_int_equal(skep_job_await(hive.client, 17, on_outcome, &hive), SKEP_OK);
    assert_int_equal(skep_client_unfinished(hive.client), 1);
    PUMP_UNTIL(hive.pump, hive.fake->awaits == 1);
    assert_int_equal(skep_job_await(hive.client, 18, on_outcome, &hive), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.fake->awaits == 2);
    assert_int_equal(hive.fake->await[0].id, 17);
    fake_finish(hive.fake, hive.fake->await[0].number, "result", 6);
    PUMP_UNTIL(hive.pump, hive.outcomes == 1);
    assert_string_equal(hive.result, "result");
    forget(&hive, hive.fake->await[1].number, SKEP_ENOJOB);
    PUMP_UNTIL(hive.pump, hive.outcomes == 2);
    assert_int_equal(hive.outcome.status, SKEP_ENOJOB);
    assert_non_null(strstr(skep_client_why(hive.client), "job 18: it is not known (any more)"));
    end(&hive);
}

static void submit_one(struct hive *hive, const char *text, const char *key) {
    const skep_job_options options = {.key = key};
    assert_int_equal(skep_submit(hive->client, "mail", text, strlen(text), &options, on_accepted, on_outcome, hive),
                     SKEP_OK);
}

/* What the broker may have accepted is sent again only if a key keeps it from being there twice. */
static void test_nothing_is_submitted_twice(void **state) {
    struct hive hive;
    begin(&hive, *state);
    skep_client_free(&hive.client);
    const skep_client_options options = {.dir = hive.fake->dir, .loop = &hive.pump->loop, .once = true};
    assert_int_equal(skep_client_new(&hive.client, &options), SKEP_OK);
    skep_on_client_state(hive.client, on_state, &hive);
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    hive.fake->keeps_answers = true;
    submit_one(&hive, "a", NULL);
    submit_one(&hive, "b", "key");
    submit_one(&hive, "c", NULL);
    submit_one(&hive, "d", "other");
    PUMP_UNTIL(hive.pump, hive.fake->job_count == 4);
    hive.fake->keeps_answers = false;
    restart(&hive);
    assert_int_equal(hive.outcomes, 2); /* of those that are lost */
    assert_int_equal(hive.outcome.status, SKEP_ECLOSED);
    PUMP_UNTIL(hive.pump, hive.accepted == 2);
    assert_int_equal(hive.answered, 4);
    assert_int_equal(hive.fake->job_count, 6);
    assert_string_equal(hive.fake->jobs[4], "b");
    assert_string_equal(hive.fake->jobs[5], "d");
    fake_finish(hive.fake, 2, "of d", 4);
    PUMP_UNTIL(hive.pump, hive.outcomes == 3);
    assert_string_equal(hive.result, "of d");
    end(&hive);
}

/* --- questions --- */

struct told {
    unsigned count;
    int status;
    uint64_t id;
    int signal, priority;
    char state[32], cause[32], result[32];
};

static void on_status(skep_client *client, int status, const skep_job_info *info, void *context) {
    struct told *told = context;
    (void)client;
    told->count++;
    told->status = status;
    assert_int_equal(info != NULL, status == SKEP_OK);
    if (info == NULL) return;
    told->id = info->id;
    told->signal = info->signal;
    told->priority = info->priority;
    snprintf(told->state, sizeof told->state, "%s", info->state);
    snprintf(told->cause, sizeof told->cause, "%s", info->cause);
    snprintf(told->result, sizeof told->result, "%.*s", (int)info->result_bytes,
             info->result != NULL ? (const char *)info->result : "");
}

static void on_cancel(skep_client *client, int status, const char *was, void *context) {
    struct told *told = context;
    (void)client;
    told->count++;
    told->status = status;
    snprintf(told->state, sizeof told->state, "%s", was != NULL ? was : "");
}

static struct told ask(struct hive *hive, bool cancels) {
    struct told told = {.count = 0};
    int status = cancels ? skep_job_cancel(hive->client, 17, on_cancel, &told)
                         : skep_job_status(hive->client, 17, on_status, &told);
    assert_int_equal(status, SKEP_OK);
    PUMP_UNTIL(hive->pump, told.count > 0);
    assert_int_equal(told.count, 1);
    assert_int_equal(hive->fake->job_asked, 17);
    assert_int_equal(hive->fake->cancel_asked, cancels);
    return told;
}

static void test_questions(void **state) {
    struct hive hive;
    begin(&hive, *state);
    struct skep_command *job = &hive.fake->job;
    *job = (struct skep_command){.id = SKEP_COMMAND_jobStatus};
    job->jobStatus = (struct skep_command_jobStatus){
        .id = 17, .queue = fake_bytes("mail"), .state = fake_bytes("dead"), .priority = 130, .data = fake_bytes("x")};
    SKEP_SET(jobStatus, &job->jobStatus, cause, fake_bytes("deaths"));
    SKEP_SET(jobStatus, &job->jobStatus, signal, 9);
    struct told told = ask(&hive, false);
    assert_int_equal(told.status, SKEP_OK);
    assert_int_equal(told.id, 17);
    assert_string_equal(told.state, "dead");
    assert_string_equal(told.cause, "deaths");
    assert_int_equal(told.signal, 9);
    assert_int_equal(told.priority, 2);
    *job = (struct skep_command){.id = SKEP_COMMAND_jobEnded};
    job->jobEnded = (struct skep_command_jobEnded){.id = 17, .queue = fake_bytes("mail"), .state = fake_bytes("done")};
    SKEP_SET(jobEnded, &job->jobEnded, result, fake_bytes("result"));
    told = ask(&hive, false);
    assert_string_equal(told.state, "done");
    assert_string_equal(told.result, "result");
    assert_int_equal(told.signal, -1);
    *job = (struct skep_command){.id = SKEP_COMMAND_cancelled};
    job->cancelled =
        (struct skep_command_cancelled){.id = 17, .queue = fake_bytes("mail"), .was = fake_bytes("delayed")};
    told = ask(&hive, true);
    assert_int_equal(told.status, SKEP_OK);
    assert_string_equal(told.state, "delayed");
    *job = (struct skep_command){.id = SKEP_COMMAND_failed,
                                 .failed = {.status = SKEP_EBEGUN, .reason = fake_bytes("worker 3 works on it")}};
    assert_int_equal(ask(&hive, true).status, SKEP_EBEGUN);
    assert_non_null(strstr(skep_client_why(hive.client), "worker 3 works on it"));
    assert_int_equal(ask(&hive, false).status, SKEP_EBEGUN);
    *job = (struct skep_command){.id = SKEP_COMMAND_done};
    assert_int_equal(ask(&hive, true).status, SKEP_EPROTO);
    end(&hive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_the_next_broker_is_asked),
        PUMP_TEST(test_one_with_other_jobs_is_not),
        PUMP_TEST(test_jobs_in_memory_are_lost_at_once),
        PUMP_TEST(test_what_is_forgotten_is_unknown),
        PUMP_TEST(test_a_job_that_the_user_names),
        PUMP_TEST(test_nothing_is_submitted_twice),
        PUMP_TEST(test_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
