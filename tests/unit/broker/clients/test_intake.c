/* SPDX-License-Identifier: MIT
 * What clients say by the intake: numbers, gaps, repetitions, refusals, messages. */
#include "broker/visitor.h"
#include "common/text.h"

#include "journal/private.h"

static void note_errors(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    snprintf(context, 256, "%s", event->reason);
}

static void open_with(struct bench *bench, struct visitor *visitor, void **state, const skep_settings *settings) {
    bench_open(bench, *state, settings);
    visitor_come(visitor, bench);
}

static void close_with(struct bench *bench, struct visitor *visitor) {
    visitor_go(visitor);
    bench_close(bench);
}

/* --- numbers --- */

static void test_one_answer_for_a_batch(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, NULL);
    visitor_submit(&visitor, 1, 100, false);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 100, 1);
    visitor_submit(&visitor, 101, 5, false);
    visitor_expect(&visitor, 1, SKEP_COMMAND_accepted, 101, 5, 101);
    visitor_expect_nothing_more(&visitor);
    bench_assert(&bench, 105, 0, 0);
    close_with(&bench, &visitor);
}

static void test_a_gap_is_told_once(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, NULL);
    visitor_submit(&visitor, 1, 2, false);
    visitor_submit(&visitor, 5, 1, false);
    visitor_submit(&visitor, 6, 1, false);
    visitor_submit(&visitor, UINT64_MAX, 2, false);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_expected, 3, 0, 0);
    visitor_expect_nothing_more(&visitor);
    visitor_submit(&visitor, 3, 2, false); /* it goes back */
    visitor_submit(&visitor, 6, 1, false); /* and loses something again */
    visitor_expect(&visitor, 2, SKEP_COMMAND_accepted, 3, 2, 3);
    visitor_expect(&visitor, 3, SKEP_COMMAND_expected, 5, 0, 0);
    bench_assert(&bench, 4, 0, 0);
    close_with(&bench, &visitor);
}

static void test_what_comes_again_is_not_added_again(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, NULL);
    visitor_submit(&visitor, 1, 10, false);
    visitor_submit(&visitor, 3, 4, false);
    visitor_submit(&visitor, 8, 5, false); /* three known, two new ones */
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 10, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_accepted, 3, 4, 0);
    visitor_expect(&visitor, 2, SKEP_COMMAND_accepted, 8, 3, 0);
    visitor_expect(&visitor, 3, SKEP_COMMAND_accepted, 11, 2, 11);
    visitor_expect_nothing_more(&visitor);
    bench_assert(&bench, 12, 0, 0);
    close_with(&bench, &visitor);
}

/* --- declining --- */

static void test_a_full_queue_declines_what_is_over(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, &(skep_settings){.queue_jobs = 3});
    visitor_submit(&visitor, 1, 5, false);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 3, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_declined, 4, 2, 0);
    assert_int_equal(visitor.log[1].status, SKEP_EFULL);
    visitor_submit(&visitor, 2, 4, false); /* told again, each as it was */
    visitor_expect(&visitor, 2, SKEP_COMMAND_accepted, 2, 2, 0);
    visitor_expect(&visitor, 3, SKEP_COMMAND_declined, 4, 2, 0);
    assert_int_equal(visitor.log[3].status, SKEP_EFULL);
    visitor_expect_nothing_more(&visitor);
    assert_int_equal(bench.queue->shelf->declined, 2);
    close_with(&bench, &visitor);
}

/* However many small submissions are declined in a row, they are remembered. */
static void test_many_declined_submissions_are_remembered(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, &(skep_settings){.queue_jobs = 1});
    visitor_submit(&visitor, 1, 1, false);
    for (unsigned number = 2; number < 302; number++) visitor_submit(&visitor, number, 1, false);
    PUMP_UNTIL(bench.pump, visitor.count == 301);
    for (unsigned number = 2; number < 302; number++) visitor_submit(&visitor, number, 1, false);
    PUMP_UNTIL(bench.pump, visitor.count == 601);
    for (unsigned i = 1; i < 601; i++) assert_int_equal(visitor.log[i].id, SKEP_COMMAND_declined);
    close_with(&bench, &visitor);
}

static void test_a_stopping_broker_declines(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, NULL);
    skep_cluster_stop(bench.cluster, false);
    visitor_submit(&visitor, 1, 2, false);
    visitor_expect(&visitor, 0, SKEP_COMMAND_declined, 1, 2, 0);
    assert_int_equal(visitor.log[0].status, SKEP_ESTATE);
    close_with(&bench, &visitor);
}

static void test_too_many_queues_are_declined(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, NULL);
    bench.queue->paused = true;
    for (unsigned i = 1; i < SKEP_MAX_QUEUES; i++)
        skep__queues_get(bench.cluster->jobs->queues, (const char *)&i, sizeof i)->paused = true;
    struct skep_command_submit submit = visitor_jobs(1, 2);
    submit.queue = skep__text("one more");
    visitor_say(&visitor, &submit);
    visitor_submit(&visitor, 3, 1, false);
    visitor_expect(&visitor, 0, SKEP_COMMAND_declined, 1, 2, 0);
    assert_int_equal(visitor.log[0].status, SKEP_EQUEUES);
    visitor_expect(&visitor, 1, SKEP_COMMAND_accepted, 3, 1, 1);
    close_with(&bench, &visitor);
}

/* A queue that the frame has touched, and where nothing has come of it, may be forgotten for the next one. */
static void test_a_frame_names_more_queues_than_there_can_be(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    if (later_is_wanted()) skip(); /* none is forgotten before it is known what comes of it */
    open_with(&bench, &visitor, state, &(skep_settings){.queue_bytes = 1});
    visitor_begin(&visitor, &frame);
    for (unsigned i = 0; i < SKEP_MAX_QUEUES + 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "queue-%u", i);
        struct skep_command_submit submit = visitor_jobs(i + 1, 1);
        submit.queue = skep__text(name);
        visitor_add_submit(&frame, &submit);
    }
    visitor_end(&visitor, &frame);
    PUMP_UNTIL(bench.pump, visitor.count == SKEP_MAX_QUEUES + 10);
    for (unsigned i = 0; i < visitor.count; i++) assert_int_equal(visitor.log[i].status, SKEP_EFULL);
    close_with(&bench, &visitor);
}

/* --- a frame --- */

static void test_many_submissions_in_a_frame(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    open_with(&bench, &visitor, state, NULL);
    skep_child *child = bench_hire(&bench, 0, 100);
    bench_handle(child, "r", 100);
    visitor_begin(&visitor, &frame);
    for (uint64_t number = 1; number <= 10; number++) {
        struct skep_command_submit submit = visitor_jobs(number, 1);
        submit.queue = skep__text(number % 2 == 0 ? "q" : "r");
        if (number == 3) SKEP_SET(submit, &submit, priority, 0);
        visitor_add_submit(&frame, &submit);
    }
    visitor_end(&visitor, &frame);
    PUMP_UNTIL(bench.pump, visitor.count == 10);
    for (unsigned i = 0; i < 10; i++) visitor_expect(&visitor, i, SKEP_COMMAND_accepted, i + 1, 1, i + 1);
    assert_int_equal(bench.queue->shelf->reserved_count, 5); /* those of both queues have been given */
    assert_int_equal(child->holder->deliveries.next, 11);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_what_a_submission_says(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, &(skep_settings){.attempts = 7});
    struct skep_command_submit submit = visitor_jobs(1, 1);
    SKEP_SET(submit, &submit, priority, 200);
    SKEP_SET(submit, &submit, attempts, 3);
    SKEP_SET(submit, &submit, ttl_ms, 60000);
    visitor_say(&visitor, &submit);
    visitor_submit(&visitor, 2, 1, true);
    const struct skep__job *second = bench.cluster->jobs->store->kind->first(bench.queue->shelf);
    assert_int_equal(second->id, 2);
    assert_int_equal(second->priority, SKEP__PRIORITY_MIDDLE);
    assert_int_equal(second->attempts, 7);
    assert_int_equal(second->expires_ms, 0);
    assert_true(second->wants_outcome);
    const struct skep__job *first =
        bench.cluster->jobs->store->kind->next(bench.cluster->jobs->store, bench.queue->shelf, SKEP__JOB_READY, second);
    assert_int_equal(first->priority, 200);
    assert_int_equal(first->attempts, 3);
    assert_int_equal(first->expires_ms, first->accepted_ms + 60000);
    assert_false(first->wants_outcome);
    assert_int_equal(first->client, visitor.id);
    close_with(&bench, &visitor);
}

/* --- bad frames --- */

static void expect_refused(struct visitor *visitor, struct skep_frame *frame, const char *why) {
    char error[256] = "";
    skep_cluster *cluster = visitor->bench->cluster;
    uint64_t before = cluster->clients->bad_frames;
    assert_int_equal(skep_on(cluster, SKEP_EVENT_ERROR, note_errors, error), SKEP_OK);
    visitor_end(visitor, frame);
    assert_int_equal(cluster->clients->bad_frames, before + 1);
    assert_non_null(strstr(error, why));
    skep__subscribers_free(&cluster->journal->subscribers);
}

static void refuse_submission(struct visitor *visitor, const struct skep_command_submit *submit, const char *why) {
    struct skep_frame frame;
    visitor_begin(visitor, &frame);
    visitor_add_submit(&frame, submit);
    expect_refused(visitor, &frame, why);
}

static void test_bad_frames(void **state) {
    static const struct skep_bytes key = {"k", 1};
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame = {0};
    open_with(&bench, &visitor, state, NULL);

    struct skep_command_submit submit = visitor_jobs(1, 1);
    visitor_add_submit(&frame, &submit);
    expect_refused(&visitor, &frame, "not a client of this process");
    submit.number = 0;
    refuse_submission(&visitor, &submit, "number 0");
    submit = visitor_jobs(1, 1);
    submit.queue = skep__text("");
    refuse_submission(&visitor, &submit, "queue is empty");
    submit = visitor_jobs(1, 2);
    SKEP_SET(submit, &submit, keys, ((struct skep_list){.count = 1, .borrowed = &key}));
    refuse_submission(&visitor, &submit, "the number of keys is not that of jobs");
    assert_int_equal(skep__frame_append(&frame, "\x81", 1), SKEP_OK);
    expect_refused(&visitor, &frame, "malformed frame in the intake");

    visitor_submit(&visitor, 1, 1, false); /* none of them counted */
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    close_with(&bench, &visitor);
}

/* What came before the bad command in its frame has happened. */
static void test_a_frame_that_ends_badly(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    open_with(&bench, &visitor, state, NULL);
    struct skep_command_submit good = visitor_jobs(1, 2), bad = visitor_jobs(0, 1);
    visitor_begin(&visitor, &frame);
    visitor_add_submit(&frame, &good);
    visitor_add_submit(&frame, &bad);
    expect_refused(&visitor, &frame, "number 0");
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    bench_assert(&bench, 2, 0, 0);
    close_with(&bench, &visitor);
}

static void test_another_process_cannot_speak_for_a_client(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    open_with(&bench, &visitor, state, NULL);
    struct skep_command_submit submit = visitor_jobs(1, 1);
    visitor_begin(&visitor, &frame);
    visitor_add_submit(&frame, &submit);
    visitor.pid++;
    expect_refused(&visitor, &frame, "not a client of this process");
    visitor.pid--;
    bench_assert(&bench, 0, 0, 0);
    close_with(&bench, &visitor);
}

/* The last words of a process may be read after its end; nothing is wrong with them. */
static void test_last_words_are_dropped(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    open_with(&bench, &visitor, state, NULL);
    struct skep_command leave = {.id = SKEP_COMMAND_leave};
    leave.leave.has = 0;
    struct skep_command_submit submit = visitor_jobs(1, 1);
    visitor_begin(&visitor, &frame);
    assert_int_equal(skep__frame_add(&frame, &leave), SKEP_OK);
    visitor_add_submit(&frame, &submit); /* in the same frame */
    visitor_end(&visitor, &frame);
    visitor_say(&visitor, &submit);
    bench_assert(&bench, 0, 0, 0);
    assert_int_equal(bench.cluster->clients->bad_frames, 0);
    visitor.id++; /* this one has never been there */
    visitor_say(&visitor, &submit);
    assert_int_equal(bench.cluster->clients->bad_frames, 1);
    close_with(&bench, &visitor);
}

/* --- messages --- */

static void say_message(struct visitor *visitor, const struct skep_command_message *message) {
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = *message};
    struct skep_frame frame;
    visitor_begin(visitor, &frame);
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    visitor_end(visitor, &frame);
}

static void test_messages_that_reach_nobody(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state, NULL);
    struct skep_command_message message = {.name = {"m", 1}};
    SKEP_SET(message, &message, to, 77);
    say_message(&visitor, &message);
    SKEP_SET(message, &message, request, 5);
    say_message(&visitor, &message);
    message = (struct skep_command_message){.name = {"n", 1}};
    SKEP_SET(message, &message, toName, skep__text("nobody"));
    say_message(&visitor, &message);
    message = (struct skep_command_message){.name = {"o", 1}};
    say_message(&visitor, &message); /* to the primary */
    PUMP_UNTIL(bench.pump, visitor.count == 4);
    assert_int_equal(visitor.log[0].id, SKEP_COMMAND_undelivered);
    assert_int_equal(visitor.log[0].status, SKEP_ENOWORKER);
    assert_string_equal(visitor.log[0].text, "m");
    assert_int_equal(visitor.log[1].id, SKEP_COMMAND_reply);
    assert_int_equal(visitor.log[1].number, 5);
    assert_int_equal(visitor.log[1].status, SKEP_ENOWORKER);
    assert_int_equal(visitor.log[2].status, SKEP_ENOWORKER);
    assert_int_equal(visitor.log[3].status, SKEP_ENOHANDLER);
    close_with(&bench, &visitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_answer_for_a_batch),
        PUMP_TEST(test_a_gap_is_told_once),
        PUMP_TEST(test_what_comes_again_is_not_added_again),
        PUMP_TEST(test_a_full_queue_declines_what_is_over),
        PUMP_TEST(test_many_declined_submissions_are_remembered),
        PUMP_TEST(test_a_stopping_broker_declines),
        PUMP_TEST(test_too_many_queues_are_declined),
        PUMP_TEST(test_a_frame_names_more_queues_than_there_can_be),
        PUMP_TEST(test_many_submissions_in_a_frame),
        PUMP_TEST(test_what_a_submission_says),
        PUMP_TEST(test_bad_frames),
        PUMP_TEST(test_a_frame_that_ends_badly),
        PUMP_TEST(test_another_process_cannot_speak_for_a_client),
        PUMP_TEST(test_last_words_are_dropped),
        PUMP_TEST(test_messages_that_reach_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
