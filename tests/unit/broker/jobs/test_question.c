/* SPDX-License-Identifier: MIT
 * How a single job is, and that it is cancelled, in each of its states; with each store. */
#include "broker/asked.h"

/* How a job ended is kept on a disk only. */
static bool keeps_ends(const struct bench *bench) {
    return wanted_has_disk(bench->cluster);
}

static void open_heard(struct bench *bench, void **state) {
    open_plain(bench, *state);
    hear_outcomes(bench->cluster);
}

static uint64_t put_wanted(struct bench *bench, struct skep__submission submission) {
    uint64_t id = 0;
    submission.client = 7;
    submission.number = 70;
    submission.wants_outcome = true;
    assert_int_equal(ledger_put(bench->cluster, bench->queue, &submission, &id), SKEP_OK);
    skep__jobs_dispatch_queue(bench->cluster->jobs, bench->queue);
    return id;
}

static void assert_state(const struct bench *bench, uint64_t id, const char *text) {
    struct asked asked = look_at_job(bench->cluster, id);
    assert_int_equal(asked.status, SKEP_OK);
    assert_int_equal(asked.id, id);
    assert_string_equal(asked.state, text);
    assert_string_equal(asked.queue, "q");
}

static void assert_cancelled(const struct bench *bench, uint64_t id, const char *was) {
    struct asked asked = cancel_job(bench->cluster, id);
    assert_int_equal(asked.status, SKEP_OK);
    assert_int_equal(asked.kind, SKEP_COMMAND_cancelled);
    assert_int_equal(asked.id, id);
    assert_string_equal(asked.state, was);
    assert_string_equal(asked.queue, "q");
}

/* What is known of one that has ended. */
static void assert_ended(const struct bench *bench, uint64_t id, const char *text) {
    later_settle(bench->cluster);
    struct asked asked = look_at_job(bench->cluster, id), again = cancel_job(bench->cluster, id);
    assert_int_equal(asked.status, keeps_ends(bench) ? SKEP_OK : SKEP_ENOJOB);
    assert_int_equal(again.status, keeps_ends(bench) ? SKEP_EENDED : SKEP_ENOJOB);
    if (keeps_ends(bench)) assert_string_equal(asked.state, text);
}

static void test_one_that_is_ready(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    uint64_t id = put_wanted(&bench, plain());
    assert_state(&bench, id, "ready");
    assert_string_equal(look_at_job(bench.cluster, id).text, "job");
    assert_cancelled(&bench, id, "ready");
    assert_counts(&bench, 0, 0, 0, 0);
    assert_int_equal(heard.count, 1);
    assert_heard(0, 7, 70, SKEP_EDEAD, "cancelled", "");
    assert_ended(&bench, id, "cancelled");
    close_bench(&bench);
}

static void test_one_that_is_delayed(void **state) {
    struct bench bench;
    struct skep__submission delayed = plain();
    delayed.delay_ms = 100000;
    open_heard(&bench, state);
    uint64_t id = put_wanted(&bench, delayed);
    assert_state(&bench, id, "delayed");
    assert_cancelled(&bench, id, "delayed");
    assert_int_equal(bench.queue->shelf->delayed_count, 0);
    assert_heard(0, 7, 70, SKEP_EDEAD, "cancelled", "");
    assert_ended(&bench, id, "cancelled");
    close_bench(&bench);
}

static void test_one_that_expires(void **state) {
    struct bench bench;
    struct skep__submission mortal = plain();
    mortal.ttl_ms = 100000;
    open_heard(&bench, state);
    assert_cancelled(&bench, put_wanted(&bench, mortal), "ready");
    assert_int_equal(bench.cluster->jobs->store->kind->next_ms(bench.cluster->jobs->store), UINT64_MAX);
    close_bench(&bench);
}

/* It is taken back by its claim, and the worker may have another one. */
static void test_one_that_was_sent_and_not_begun(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    skep_child *child = hire(&bench, 0, 1);
    uint64_t id = put_wanted(&bench, plain());
    assert_int_equal(held(child), 1);
    struct asked asked = look_at_job(bench.cluster, id);
    assert_string_equal(asked.state, "reserved");
    assert_int_equal(asked.worker, 1);
    assert_false(asked.begun);
    assert_int_equal(asked.attempt, 0);
    assert_cancelled(&bench, id, "reserved");
    assert_int_equal(held(child), 0);
    assert_false(skep__claim_begin(child->page, 1, uv_hrtime() / 1000000));
    submit(&bench, 1);
    assert_int_equal(held(child), 1);
    dismiss(child);
    close_bench(&bench);
}

static void test_one_that_a_worker_works_on(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    skep_child *child = hire(&bench, 0, 1);
    uint64_t id = put_wanted(&bench, plain());
    begin(child, 1, 1);
    struct asked asked = look_at_job(bench.cluster, id);
    assert_true(asked.begun);
    assert_int_equal(asked.attempt, 1);
    asked = cancel_job(bench.cluster, id);
    assert_int_equal(asked.status, SKEP_EBEGUN);
    assert_string_equal(asked.why, "worker 1 works on job 1");
    assert_int_equal(heard.count, 0);
    complete(child, 1, 1);
    assert_counts(&bench, 0, 0, 0, 1);
    assert_ended(&bench, id, "done");
    dismiss(child);
    close_bench(&bench);
}

static void test_one_that_failed(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    skep_child *child = hire(&bench, 0, 1);
    uint64_t id = put_wanted(&bench, plain());
    begin(child, 1, 1);
    struct skep_command_retry command = {.delivery = 1, .delay_ms = 100000};
    skep__jobs_retried(child->holder, &command);
    later_settle(bench.cluster);
    assert_state(&bench, id, "delayed");
    assert_int_equal(look_at_job(bench.cluster, id).attempt, 1);
    assert_cancelled(&bench, id, "delayed");
    assert_ended(&bench, id, "cancelled");
    if (keeps_ends(&bench)) assert_int_equal(look_at_job(bench.cluster, id).attempt, 1);
    dismiss(child);
    close_bench(&bench);
}

static void test_a_dead_letter(void **state) {
    struct bench bench;
    open_heard(&bench, state);
    skep_child *child = hire(&bench, 0, 1);
    uint64_t id = put_wanted(&bench, plain());
    begin(child, 1, 1);
    skep__jobs_failed(child->holder, &(struct skep_command_fail){.delivery = 1, .reason = skep__text("no")});
    later_settle(bench.cluster);
    struct asked asked = look_at_job(bench.cluster, id);
    assert_string_equal(asked.state, "dead");
    assert_string_equal(asked.cause, "refused");
    assert_cancelled(&bench, id, "dead");
    assert_counts(&bench, 0, 0, 0, 0);
    assert_int_equal(heard.count, 1); /* of its death */
    assert_ended(&bench, id, "dropped");
    asked = look_at_job(bench.cluster, id);
    if (keeps_ends(&bench)) assert_string_equal(asked.cause, "refused");
    if (keeps_ends(&bench)) assert_string_equal(asked.text, "no");
    dismiss(child);
    close_bench(&bench);
}

static void test_one_that_is_done(void **state) {
    struct bench bench;
    const struct skep_bytes result = skep__text("result");
    const char *why;
    open_heard(&bench, state);
    skep_child *child = hire(&bench, 0, 1);
    uint64_t id = put_wanted(&bench, plain());
    begin(child, 1, 1);
    struct skep_command_completed command = {.delivery = 1};
    SKEP_SET(completed, &command, results, ((struct skep_list){.count = 1, .borrowed = &result}));
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
    assert_ended(&bench, id, "done");
    struct asked asked = look_at_job(bench.cluster, id);
    if (keeps_ends(&bench)) assert_string_equal(asked.text, "result");
    if (keeps_ends(&bench)) assert_int_equal(asked.attempt, 1);
    if (keeps_ends(&bench)) assert_true(asked.ended > 1600000000000);
    dismiss(child);
    close_bench(&bench);
}

/* Its key is free after that of any other that has ended: when it is forgotten. */
static void test_the_key_of_one_that_is_cancelled(void **state) {
    struct bench bench;
    struct skep__submission keyed = plain();
    uint64_t again = 0;
    keyed.key = "key";
    keyed.key_bytes = 3;
    open_heard(&bench, state);
    uint64_t id = put_wanted(&bench, keyed);
    assert_string_equal(look_at_job(bench.cluster, id).key, "key");
    assert_cancelled(&bench, id, "ready");
    struct one_put one;
    keyed.wants_outcome = true;
    one_put_init(&one, &keyed);
    skep__jobs_submit(bench.cluster->jobs, bench.queue, &one.batch, &one.put);
    later_settle(bench.cluster);
    assert_int_equal(one.answer.status, SKEP_EDUPLICATE);
    assert_string_equal(one.answer.ended, "cancelled");
    keyed.key = "another";
    keyed.key_bytes = 7;
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &keyed, &again), SKEP_OK);
    close_bench(&bench);
}

static void test_one_that_never_was(void **state) {
    static const uint64_t ids[] = {0, 2, 1000000, UINT64_MAX};
    struct bench bench;
    open_heard(&bench, state);
    put_wanted(&bench, plain());
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(look_at_job(bench.cluster, ids[i]).status, SKEP_ENOJOB);
        assert_int_equal(cancel_job(bench.cluster, ids[i]).status, SKEP_ENOJOB);
    }
    assert_string_equal(look_at_job(bench.cluster, 2).why, "job 2 is not known (any more)");
    assert_counts(&bench, 1, 0, 0, 0);
    close_bench(&bench);
}

/* What is being written is said to be; what is cancelled meanwhile is so if it still can be. */
static void test_one_whose_change_is_pending(void **state) {
    struct bench bench;
    struct asked cancelled;
    if (!wanted_store_is("later")) return;
    open_heard(&bench, state);
    skep_child *child = hire(&bench, 0, 2);
    submit(&bench, 2);
    begin(child, 1, 2);
    later_hold(bench.cluster, true);
    complete(child, 1, 1);
    struct skep_command_retry command = {.delivery = 2, .delay_ms = 100000};
    skep__jobs_retried(child->holder, &command);
    assert_string_equal(look_at_job(bench.cluster, 1).state, "pending");
    ask_only(bench.cluster, &cancelled, 2, true);
    assert_int_equal(cancelled.answers, 0);
    later_hold(bench.cluster, false);
    later_settle(bench.cluster);
    later_settle(bench.cluster);
    assert_int_equal(cancelled.answers, 1);
    assert_int_equal(cancelled.status, SKEP_OK);
    assert_string_equal(cancelled.state, "delayed");
    assert_int_equal(look_at_job(bench.cluster, 1).status, SKEP_ENOJOB);
    dismiss(child);
    close_bench(&bench);
}

static void test_a_question_that_is_open_at_the_end(void **state) {
    struct bench bench;
    struct asked asked;
    if (!wanted_store_is("later")) return;
    open_heard(&bench, state);
    uint64_t id = put_wanted(&bench, plain());
    later_hold(bench.cluster, true);
    ask_only(bench.cluster, &asked, id, true);
    assert_int_equal(asked.answers, 0);
    close_bench(&bench);
    assert_int_equal(asked.answers, 1);
    assert_int_equal(asked.status, SKEP_ECLOSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_that_is_ready),
        PUMP_TEST(test_one_that_is_delayed),
        PUMP_TEST(test_one_that_expires),
        PUMP_TEST(test_one_that_was_sent_and_not_begun),
        PUMP_TEST(test_one_that_a_worker_works_on),
        PUMP_TEST(test_one_that_failed),
        PUMP_TEST(test_a_dead_letter),
        PUMP_TEST(test_one_that_is_done),
        PUMP_TEST(test_the_key_of_one_that_is_cancelled),
        PUMP_TEST(test_one_that_never_was),
        PUMP_TEST(test_one_whose_change_is_pending),
        PUMP_TEST(test_a_question_that_is_open_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
