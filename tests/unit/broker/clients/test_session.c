/* SPDX-License-Identifier: MIT
 * Clients that have joined: what they are told, when, and when they end. */
#include "broker/visitor.h"
#include "common/text.h"

#include <signal.h>
#include <sys/wait.h>

enum { SLOW_BYTES = 4 * 1024 * 1024 /* unread, and a client is ignored from now on */ };

static void open_with(struct bench *bench, struct visitor *visitor, void **state) {
    bench_open(bench, *state, &(skep_settings){.job_credit_bytes = 64 << 20});
    visitor_come(visitor, bench);
}

static void close_with(struct bench *bench, struct visitor *visitor) {
    visitor_go(visitor);
    bench_close(bench);
}

/* n results of one size, as they come at the end of a worker's frame */
static void complete(skep_child *child, uint64_t delivery, uint32_t n, size_t size_bytes) {
    static const char text[SKEP_MAX_PAYLOAD] = "result";
    static struct skep_bytes results[SKEP_MAX_LIST];
    struct skep_command_completed command = {.delivery = delivery};
    const char *why;
    for (uint32_t i = 0; i < n; i++) results[i] = (struct skep_bytes){text, size_bytes};
    SKEP_SET(completed, &command, n, n);
    if (size_bytes > 0) SKEP_SET(completed, &command, results, ((struct skep_list){.count = n, .borrowed = results}));
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
}

static void flush(struct bench *bench) {
    later_settle(bench->cluster);
    skep__sessions_flush(bench->cluster);
}

/* --- outcomes --- */

static void test_outcomes_in_a_row_travel_together(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 10, true);
    complete(child, 1, 3, 2);
    complete(child, 4, 2, 0);
    complete(child, 7, 1, 2); /* 6 is not done yet */
    flush(&bench);
    complete(child, 6, 1, 2);
    flush(&bench);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 10, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_finished, 1, 5, 0);
    assert_string_equal(visitor.log[1].text, "rerere");
    visitor_expect(&visitor, 2, SKEP_COMMAND_finished, 7, 1, 0);
    visitor_expect(&visitor, 3, SKEP_COMMAND_finished, 6, 1, 0);
    visitor_expect_nothing_more(&visitor);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_lists_of_outcomes_have_their_limits(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 10000);
    visitor_submit(&visitor, 1, SKEP_MAX_LIST, true);
    visitor_submit(&visitor, SKEP_MAX_LIST + 1, 10, true);
    complete(child, 1, SKEP_MAX_LIST, 0);
    complete(child, SKEP_MAX_LIST + 1, 7, SKEP_FULL_FRAME / 3);
    complete(child, SKEP_MAX_LIST + 8, 2, SKEP_MAX_PAYLOAD);
    complete(child, SKEP_MAX_LIST + 10, 1, 0);
    flush(&bench);
    visitor_expect(&visitor, 2, SKEP_COMMAND_finished, 1, SKEP_MAX_LIST, 0);
    uint64_t next = SKEP_MAX_LIST + 1;
    for (unsigned i = 3; next <= SKEP_MAX_LIST + 10; i++) {
        PUMP_UNTIL(bench.pump, visitor.count > i);
        assert_int_equal(visitor.log[i].number, next);
        assert_in_range(visitor.log[i].n, 1, 3);
        next += visitor.log[i].n;
    }
    visitor_expect_nothing_more(&visitor);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_nobody_is_told_what_nobody_wants(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 2, false);
    complete(child, 1, 2, 5);
    flush(&bench);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect_nothing_more(&visitor);
    assert_int_equal(bench.queue->unclaimed, 2);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_a_dead_letter_is_told(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 2, true);
    struct skep_command_fail fail = {.delivery = 2, .reason = skep__text("no")};
    skep__jobs_failed(child->holder, &fail);
    later_settle(bench.cluster);
    visitor_expect(&visitor, 1, SKEP_COMMAND_died, 2, 0, 0);
    assert_string_equal(visitor.log[1].text, "refused");
    assert_int_equal(skep__jobs_revive(bench.cluster->jobs, NULL, 0), 1); /* an operator's business, not the client's */
    later_settle(bench.cluster);
    complete(child, 3, 1, 5);
    flush(&bench);
    visitor_expect_nothing_more(&visitor);
    assert_int_equal(bench.queue->unclaimed, 1);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

/* --- quiet acceptances --- */

static void test_an_acceptance_waits_for_a_quick_outcome(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 1, true);
    complete(child, 1, 1, 2);
    flush(&bench);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_expect(&visitor, 1, SKEP_COMMAND_finished, 1, 1, 0);
    assert_int_equal(visitor.frames, 1);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

static void test_an_acceptance_does_not_wait_for_ever(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    visitor_submit(&visitor, 1, 1, true);
    visitor_expect(&visitor, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_submit(&visitor, 2, 1, true); /* and again */
    visitor_expect(&visitor, 1, SKEP_COMMAND_accepted, 2, 1, 2);
    close_with(&bench, &visitor);
}

/* More of them than go into one frame: all leave, though no outcome comes. */
static void test_many_acceptances_do_not_wait_for_ever(void **state) {
    struct bench bench;
    struct visitor visitor;
    open_with(&bench, &visitor, state);
    for (uint64_t number = 1; number <= VISITOR_ANSWERS; number++) visitor_submit(&visitor, number, 1, true);
    assert_true(skep__outlet_waiting_bytes(visitor_session(&visitor)->returns) > (size_t)2 * SKEP_FULL_FRAME);
    PUMP_UNTIL(bench.pump, visitor.count == VISITOR_ANSWERS);
    close_with(&bench, &visitor);
}

/* --- a client that does not read --- */

static void test_who_does_not_read_is_not_heard(void **state) {
    struct bench bench;
    struct visitor visitor;
    bench_open(&bench, *state, &(skep_settings){.job_credit_bytes = 64 << 20});
    visitor_join(&visitor, &bench, getpid());
    skep_child *child = bench_hire(&bench, 0, 1000);
    uint32_t large = SLOW_BYTES / SKEP_MAX_PAYLOAD + 1;
    visitor_submit(&visitor, 1, large + 1, true);
    complete(child, 1, large, SKEP_MAX_PAYLOAD);
    flush(&bench);
    assert_false(skep__session_reads(visitor_session(&visitor)));
    visitor_submit(&visitor, large + 2, 3, true);
    bench_assert(&bench, 0, 1, large);
    visitor_listen(&visitor);
    PUMP_UNTIL(bench.pump, visitor.count > 0 && visitor.log[visitor.count - 1].id == SKEP_COMMAND_expected);
    assert_int_equal(visitor.log[visitor.count - 1].number, large + 2);
    uint64_t results = 0; /* none was dropped */
    for (unsigned i = 0; i < visitor.count; i++)
        if (visitor.log[i].id == SKEP_COMMAND_finished) results += visitor.log[i].n;
    assert_int_equal(results, large);
    assert_true(skep__session_reads(visitor_session(&visitor)));
    visitor_submit(&visitor, large + 2, 1, true);
    bench_assert(&bench, 0, 2, large);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

/* --- the end of a session --- */

static void test_a_client_leaves(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    open_with(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 3, true);
    complete(child, 1, 1, 2); /* gathered, and never sent */
    later_settle(bench.cluster);
    struct skep_command leave = {.id = SKEP_COMMAND_leave};
    leave.leave.has = 0;
    visitor_begin(&visitor, &frame);
    assert_int_equal(skep__frame_add(&frame, &leave), SKEP_OK);
    visitor_end(&visitor, &frame);
    assert_null(visitor_session(&visitor));
    assert_true(LIST_EMPTY(&bench.cluster->clients->pending));
    assert_true(LIST_EMPTY(&bench.cluster->clients->delayed));
    complete(child, 2, 1, 2); /* its jobs stay, their results are nobody's */
    struct skep_command_fail fail = {.delivery = 3};
    skep__jobs_failed(child->holder, &fail);
    later_settle(bench.cluster);
    assert_int_equal(bench.queue->unclaimed, 2);
    bench_assert(&bench, 0, 0, 2);
    pump_turns(bench.pump, 5);
    bench_dismiss(child);
    close_with(&bench, &visitor);
}

/* A process that does nothing until it is killed */
static pid_t start_process(void) {
    pid_t pid = fork();
    if (pid == 0)
        for (;;) pause();
    assert_true(pid > 0);
    return pid;
}

static void end_process(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_a_session_ends_with_its_process(void **state) {
    struct bench bench;
    struct visitor stays, ends;
    open_with(&bench, &stays, state);
    pid_t pid = start_process();
    visitor_join(&ends, &bench, pid);
    visitor_submit(&ends, 1, 2, true);
    assert_non_null(visitor_session(&ends));
    end_process(pid);
    PUMP_UNTIL(bench.pump, visitor_session(&ends) == NULL);
    assert_non_null(visitor_session(&stays));
    bench_assert(&bench, 2, 0, 0); /* its jobs stay */
    visitor_go(&ends);
    close_with(&bench, &stays);
}

static void test_who_is_gone_cannot_join(void **state) {
    struct bench bench;
    struct skep_frame frame = {0};
    const char *why;
    bench_open(&bench, *state, NULL);
    pid_t pid = start_process();
    end_process(pid);
    assert_int_equal(skep__session_join(bench.cluster, pid, &frame, &why), SKEP_ECLOSED);
    assert_int_equal(skep__session_join(bench.cluster, 0, &frame, &why), SKEP_ECLOSED); /* nobody knows who */
    assert_int_equal(frame.size_bytes, 0);
    assert_null(bench.cluster->clients->sessions);
    bench_close(&bench);
}

/* A process may join several times; each time it is another client, with numbers of its own. */
static void test_two_clients_of_one_process(void **state) {
    struct bench bench;
    struct visitor first, second;
    open_with(&bench, &first, state);
    visitor_come(&second, &bench);
    assert_true(second.id > first.id);
    visitor_submit(&first, 1, 1, false);
    visitor_submit(&second, 1, 1, false);
    visitor_expect(&first, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_expect(&second, 0, SKEP_COMMAND_accepted, 1, 1, 2);
    assert_null(skep__session_find(bench.cluster, first.id, getpid() + 1));
    assert_null(skep__session_find(bench.cluster, UINT64_C(0x100000000) + first.id, getpid()));
    visitor_go(&second);
    close_with(&bench, &first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_outcomes_in_a_row_travel_together),
        PUMP_TEST(test_lists_of_outcomes_have_their_limits),
        PUMP_TEST(test_nobody_is_told_what_nobody_wants),
        PUMP_TEST(test_a_dead_letter_is_told),
        PUMP_TEST(test_an_acceptance_waits_for_a_quick_outcome),
        PUMP_TEST(test_an_acceptance_does_not_wait_for_ever),
        PUMP_TEST(test_many_acceptances_do_not_wait_for_ever),
        PUMP_TEST(test_who_does_not_read_is_not_heard),
        PUMP_TEST(test_a_client_leaves),
        PUMP_TEST(test_a_session_ends_with_its_process),
        PUMP_TEST(test_who_is_gone_cannot_join),
        PUMP_TEST(test_two_clients_of_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
