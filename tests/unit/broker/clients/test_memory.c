/* SPDX-License-Identifier: MIT
 * Clients of a broker that has no memory: they are told so, nobody is blamed, and what they wait for comes. */
#include "broker/shortage.h"
#include "broker/visitor.h"

#include "journal/private.h"

enum { FRAMES = 5 };

struct seen {
    unsigned errors;
    char text[8][256];
};

static void note_error(skep_cluster *cluster, const skep_event *event, void *context) {
    struct seen *seen = context;
    (void)cluster;
    if (seen->errors < 8) snprintf(seen->text[seen->errors++], sizeof *seen->text, "%s", event->reason);
}

static unsigned count(const struct seen *seen, const char *text) {
    unsigned n = 0;
    for (unsigned i = 0; i < seen->errors; i++) n += strstr(seen->text[i], text) != NULL;
    return n;
}

static void open_with(struct bench *bench, struct visitor *visitor, struct seen *seen, void **state) {
    *seen = (struct seen){.errors = 0};
    bench_open(bench, *state, NULL);
    assert_int_equal(skep_on(bench->cluster, SKEP_EVENT_ERROR, note_error, seen), SKEP_OK);
    visitor_come(visitor, bench);
}

static void close_with(struct bench *bench, struct visitor *visitor) {
    shortage_end();
    visitor_go(visitor);
    bench_close(bench);
}

static void complete(skep_child *child, uint64_t n, size_t result_bytes) {
    static struct skep_bytes results[SKEP_MAX_LIST];
    static const char text[SKEP_MAX_PAYLOAD] = "r";
    struct skep_command_completed command = {.delivery = 1, .results = {.count = (uint32_t)n, .borrowed = results}};
    const char *why;
    for (unsigned i = 0; i < n; i++) results[i] = (struct skep_bytes){text, result_bytes};
    SKEP_SET(completed, &command, n, n);
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
}

/* One answer for all of them, with the reason; and no frame is malformed for it. */
static void test_submissions_are_declined(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    struct skep_frame frames[FRAMES];
    open_with(&bench, &visitor, &seen, state);
    for (unsigned i = 0; i < FRAMES; i++) {
        struct skep_command_submit submit = visitor_jobs(1 + i * 100, 100);
        visitor_begin(&visitor, &frames[i]);
        visitor_add_submit(&frames[i], &submit);
    }
    shortage_begin(bench.cluster);
    for (unsigned i = 0; i < FRAMES; i++) visitor_end(&visitor, &frames[i]);
    shortage_end();
    for (unsigned i = 0; i < FRAMES; i++) {
        visitor_expect(&visitor, i, SKEP_COMMAND_declined, 1 + i * 100, 100, 0);
        assert_int_equal(visitor.log[i].status, SKEP_ENOMEM);
        assert_string_equal(visitor.log[i].text, SKEP__OUT_OF_MEMORY);
    }
    PUMP_UNTIL(bench.pump, bench.cluster->memory.block != NULL);
    visitor_submit(&visitor, FRAMES * 100 + 1, 1, false);
    visitor_expect(&visitor, FRAMES, SKEP_COMMAND_accepted, FRAMES * 100 + 1, 1, 1);
    assert_int_equal(bench.cluster->clients->bad_frames, 0);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(count(&seen, "out of memory"), 1);
    close_with(&bench, &visitor);
}

/* A queue that is not there is not made for one. */
static void test_new_queues_are_declined(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    open_with(&bench, &visitor, &seen, state);
    struct skep_command_submit submit = visitor_jobs(1, 2);
    submit.queue = skep__text("new");
    shortage_begin(bench.cluster);
    skep__memory_check(bench.cluster);
    visitor_say(&visitor, &submit);
    shortage_end();
    visitor_expect(&visitor, 0, SKEP_COMMAND_declined, 1, 2, 0);
    assert_int_equal(visitor.log[0].status, SKEP_ENOMEM);
    assert_null(skep__queues_find(bench.cluster->jobs->queues, "new", 3));
    close_with(&bench, &visitor);
}

static void test_an_outcome_is_worth_the_reserve(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    open_with(&bench, &visitor, &seen, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 10, true);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 10, 1);
    shortage_begin(bench.cluster);
    complete(child, 10, 1);
    skep__sessions_flush(bench.cluster);
    assert_null(bench.cluster->memory.block);
    bench_assert(&bench, 0, 0, 10);
    shortage_end();
    visitor_expect(&visitor, 1, SKEP_COMMAND_finished, 1, 10, 0);
    assert_string_equal(visitor.log[1].text, "rrrrrrrrrr");
    assert_int_equal(bench.queue->unclaimed, 0);
    assert_int_equal(count(&seen, "dropped"), 0);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_an_answer_is_worth_the_reserve(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    open_with(&bench, &visitor, &seen, state);
    shortage_begin(bench.cluster);
    skep__session_tell_expected(visitor_session(&visitor));
    assert_null(bench.cluster->memory.block);
    shortage_end();
    visitor_expect(&visitor, 0, SKEP_COMMAND_expected, 1, 0, 0);
    assert_int_equal(count(&seen, "dropped"), 0);
    close_with(&bench, &visitor);
}

/* It is not the client's fault, and that is not said. */
static void test_an_answer_that_is_dropped_is_the_brokers_fault(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    open_with(&bench, &visitor, &seen, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 2, true);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    shortage_begin(bench.cluster);
    complete(child, 2, (size_t)2 * SHORTAGE_BYTES);
    bench_assert(&bench, 0, 0, 2);
    shortage_end();
    PUMP_UNTIL(bench.pump, count(&seen, "are dropped: the broker is out of memory") == 1);
    assert_int_equal(count(&seen, "does not read"), 0);
    assert_int_equal(bench.queue->unclaimed, 2);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_nobody_can_join(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    struct skep_frame frame = {0};
    const char *why;
    open_with(&bench, &visitor, &seen, state);
    shortage_begin(bench.cluster);
    skep__memory_check(bench.cluster);
    assert_int_equal(skep__session_join(bench.cluster, getpid(), &frame, &why), SKEP_ENOMEM);
    shortage_end();
    PUMP_UNTIL(bench.pump, bench.cluster->memory.block != NULL);
    assert_int_equal(skep__session_join(bench.cluster, getpid(), &frame, &why), SKEP_OK);
    skep__frame_free(&frame);
    close_with(&bench, &visitor);
}

/* At any step of it; and nothing stays behind. */
static unsigned left;

static bool has_a_few(size_t size_bytes) {
    (void)size_bytes;
    return left > 0 && left-- > 0;
}

static void test_joining_runs_out_of_memory(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct seen seen;
    int status = SKEP_ENOMEM;
    open_with(&bench, &visitor, &seen, state);
    for (unsigned steps = 1; status == SKEP_ENOMEM; steps++) {
        struct skep_frame frame = {0};
        const char *why;
        assert_true(steps < 100);
        left = steps;
        scarce_has = has_a_few;
        status = skep__session_join(bench.cluster, getpid(), &frame, &why);
        scarce_has = NULL;
        assert_int_equal(HASH_COUNT(bench.cluster->clients->sessions), status == SKEP_OK ? 2 : 1);
        skep__frame_free(&frame);
        skep__reserve_take(&bench.cluster->memory);
    }
    assert_int_equal(status, SKEP_OK);
    close_with(&bench, &visitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHORTAGE_TEST(test_submissions_are_declined),
        SHORTAGE_TEST(test_new_queues_are_declined),
        SHORTAGE_TEST(test_an_outcome_is_worth_the_reserve),
        SHORTAGE_TEST(test_an_answer_is_worth_the_reserve),
        SHORTAGE_TEST(test_an_answer_that_is_dropped_is_the_brokers_fault),
        SHORTAGE_TEST(test_nobody_can_join),
        SHORTAGE_TEST(test_joining_runs_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
