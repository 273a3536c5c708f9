/* SPDX-License-Identifier: MIT
 * Clients that have joined: who can, and when a session ends. */
#include "broker/visitor.h"

#include <signal.h>
#include <sys/wait.h>

static void test_a_client_leaves(void **state) {
    struct bench bench;
    struct visitor visitor;
    struct skep_frame frame;
    visitor_open(&bench, &visitor, state);
    skep_child *child = bench_hire(&bench, 0, 100);
    visitor_submit(&visitor, 1, 3, true);
    bench_results(child, 1, 1, 2); /* gathered, and never sent */
    later_settle(bench.cluster);
    struct skep_command leave = {.id = SKEP_COMMAND_leave};
    leave.leave.has = 0;
    visitor_begin(&visitor, &frame);
    assert_int_equal(skep__frame_add(&frame, &leave), SKEP_OK);
    visitor_end(&visitor, &frame);
    assert_null(visitor_session(&visitor));
    assert_true(LIST_EMPTY(&bench.cluster->clients->pending));
    assert_true(LIST_EMPTY(&bench.cluster->clients->delayed));
    bench_results(child, 2, 1, 2); /* its jobs stay, their results are nobody's */
    struct skep_command_fail fail = {.delivery = 3};
    skep__jobs_failed(child->holder, &fail);
    later_settle(bench.cluster);
    assert_int_equal(bench.queue->unclaimed, 2);
    bench_assert(&bench, 0, 0, 2);
    pump_turns(bench.pump, 5);
    bench_dismiss(child);
    visitor_close(&bench, &visitor);
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
    visitor_open(&bench, &stays, state);
    pid_t pid = start_process();
    visitor_join(&ends, &bench, pid);
    visitor_submit(&ends, 1, 2, true);
    assert_non_null(visitor_session(&ends));
    end_process(pid);
    PUMP_UNTIL(bench.pump, visitor_session(&ends) == NULL);
    assert_non_null(visitor_session(&stays));
    bench_assert(&bench, 2, 0, 0); /* its jobs stay */
    visitor_go(&ends);
    visitor_close(&bench, &stays);
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
    visitor_open(&bench, &first, state);
    visitor_come(&second, &bench);
    assert_true(second.id > first.id);
    visitor_submit(&first, 1, 1, false);
    visitor_submit(&second, 1, 1, false);
    visitor_expect(&first, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_expect(&second, 0, SKEP_COMMAND_accepted, 1, 1, 2);
    assert_null(skep__session_find(bench.cluster, first.id, getpid() + 1));
    assert_null(skep__session_find(bench.cluster, UINT64_C(0x100000000) + first.id, getpid()));
    visitor_go(&second);
    visitor_close(&bench, &first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_client_leaves),
        PUMP_TEST(test_a_session_ends_with_its_process),
        PUMP_TEST(test_who_is_gone_cannot_join),
        PUMP_TEST(test_two_clients_of_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
