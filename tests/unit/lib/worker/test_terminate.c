/* SPDX-License-Identifier: MIT
 * What a SIGTERM does to a worker. */
#include "lib/bare_hive.h"

#include <signal.h>
#include <sys/wait.h>

static void on_own(int number) {
    (void)number;
}

static bool is_own(void) {
    struct sigaction action;
    assert_int_equal(sigaction(SIGTERM, NULL, &action), 0);
    return action.sa_handler == on_own;
}

static bool is_default(void) {
    struct sigaction action;
    assert_int_equal(sigaction(SIGTERM, NULL, &action), 0);
    return action.sa_handler == SIG_DFL;
}

static void queue_to(pid_t pid, int value) {
    assert_int_equal(sigqueue(pid, SIGTERM, (union sigval){.sival_int = value}), 0);
}

/* From another process, since what a process sends to itself is its own affair; caught when this returns. */
static void send_from_outside(int value, bool queued) {
    pid_t own = getpid(), child = fork();
    if (child == 0) {
        int status = queued ? sigqueue(own, SIGTERM, (union sigval){.sival_int = value}) : kill(own, SIGTERM);
        _exit(status != 0);
    }
    int status = 1;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static struct hive *open_caught(struct pump *pump) {
    struct hive *h = open_hive(pump);
    assert_int_equal(skep__worker_catch_sigterm(h->worker), SKEP_OK);
    return h;
}

/* How a copy of this process ends. */
static int end_of(void (*act)(void)) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        act();
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Not for ever: it ends in another way if the signal does not end it. */
static void wait_for_it(void) {
    alarm(10);
    for (;;) pause();
}

/* What the worker tells the broker on the link, after hello. */
static void expect_told(struct hive *h, const char *text) {
    struct skep_command command;
    char printed[256];
    bool more;
    do {
        assert_int_equal(skep__link_wait(h->link, 10000), SKEP_OK);
        assert_int_equal(skep__link_receive(h->link, &h->message), SKEP_OK);
        assert_int_equal(skep__reader_begin(&h->link_reader, h->message.data, h->message.size_bytes), SKEP_OK);
        assert_int_equal(skep__reader_next(&h->link_reader, &command, &more), SKEP_OK);
    } while (command.id == SKEP_COMMAND_hello || command.id == SKEP_COMMAND_handle);
    skep__command_print(&command, printed, sizeof printed);
    assert_string_equal(printed, text);
}

static void test_it_leaves_and_wants_a_successor(void **state) {
    struct hive *h = open_caught(*state);
    send_from_outside(0, false);
    PUMP_UNTIL(h->pump, h->worker->phase >= SKEP__WORKER_LEAVING);
    expect_told(h, "disconnect {replace: true}");
    send_from_outside(0, false); /* a second one changes nothing */
    send_from_outside(1, true);  /* nor does one with a value of somebody's */
    pump_turns(h->pump, 3);
    close_hive(h);
    assert_true(is_default());
}

/* Somebody sends it while the first of four jobs runs: the loop has no turn before the last. */
static skep_verdict terminated_handler(skep_worker *worker, skep_job *job, void *context) {
    struct hive *h = context;
    if (*(const char *)job->data == 't') send_from_outside(0, false);
    return handler(worker, job, h);
}

static void test_between_two_jobs(void **state) {
    struct hive *h = open_caught(*state);
    assert_int_equal(skep_on_job(h->worker, "q", terminated_handler, h), SKEP_OK);
    give(h, "q", "dtdd");
    PUMP_UNTIL(h->pump, strstr(h->answers, "released") != NULL);
    assert_string_equal(h->ran, "dt");
    assert_string_equal(h->answers, "completed {delivery: 1, n: 2}\nreleased {delivery: 3, n: 2}\n");
    close_hive(h);
}

/* A job that was kept is finished; those that wait for its end go back. */
static void test_a_kept_job(void **state) {
    struct hive *h = open_caught(*state);
    assert_int_equal(skep_on_job(h->worker, "q", handler, h), SKEP_OK);
    give(h, "q", "kdd");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    send_from_outside(0, false);
    skep_job_complete(h->kept[0], SKEP_DONE); /* those that wait have their turn before the loop has */
    PUMP_UNTIL(h->pump, strstr(h->answers, "completed") != NULL);
    assert_string_equal(h->ran, "k");
    assert_non_null(strstr(h->answers, "released {delivery: 2, n: 2}\n"));
    close_hive(h);
}

static void test_an_earlier_handler_stays(void **state) {
    static void (*const earlier[])(int) = {on_own, SIG_IGN};
    for (size_t i = 0; i < 2; i++) {
        signal(SIGTERM, earlier[i]);
        struct hive *h = open_caught(*state);
        send_from_outside(0, false);
        pump_turns(h->pump, 3);
        assert_int_equal(h->worker->phase, SKEP__WORKER_JOINED);
        close_hive(h);
        assert_true(signal(SIGTERM, SIG_DFL) == earlier[i]);
    }
}

static void test_a_later_handler_takes_its_place(void **state) {
    struct hive *h = open_caught(*state);
    signal(SIGTERM, on_own);
    send_from_outside(0, false);
    pump_turns(h->pump, 3);
    assert_int_equal(h->worker->phase, SKEP__WORKER_JOINED);
    close_hive(h);
    assert_true(is_own());
    signal(SIGTERM, SIG_DFL);
}

/* A worker that has nothing but a loop: what is caught ends the process all the same. */
static void catch_it(uv_loop_t *loop, skep_worker *worker) {
    worker->loop = loop;
    if (uv_loop_init(loop) != 0 || skep__worker_catch_sigterm(worker) != SKEP_OK) _exit(1);
}

/* The broker's, when a drain takes too long. */
static void be_pressed(void) {
    static skep_worker worker;
    uv_loop_t loop;
    pid_t own = getpid();
    catch_it(&loop, &worker);
    if (fork() == 0) {
        queue_to(own, SKEP_TERM_NOW);
        _exit(0);
    }
    wait_for_it();
}

static void raise_it(void) {
    static skep_worker worker;
    uv_loop_t loop;
    catch_it(&loop, &worker);
    raise(SIGTERM);
}

static void test_what_ends_it(void **state) {
    (void)state;
    static void (*const acts[])(void) = {be_pressed, raise_it};
    for (size_t i = 0; i < 2; i++) {
        int status = end_of(acts[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGTERM);
    }
}

/* A copy of the worker that was forked is no worker. */
static void test_a_forked_copy_ends(void **state) {
    struct hive *h = open_caught(*state);
    pid_t child = fork();
    if (child == 0) wait_for_it();
    int status = 0;
    assert_true(child > 0);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    pump_turns(h->pump, 3);
    assert_int_equal(h->worker->phase, SKEP__WORKER_JOINED);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_it_leaves_and_wants_a_successor),
        PUMP_TEST(test_between_two_jobs),
        PUMP_TEST(test_a_kept_job),
        PUMP_TEST(test_an_earlier_handler_stays),
        PUMP_TEST(test_a_later_handler_takes_its_place),
        PUMP_TEST(test_what_ends_it),
        PUMP_TEST(test_a_forked_copy_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
