/* SPDX-License-Identifier: MIT
 * The mock broker with a real worker program, which is this one; and what it tells when an expectation is not met. */
#include "lib/mocked.h"

#include "command.h"
#include "transport/link.h"

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>

/* --- this program as a worker --- */

/* Until the link is closed */
static int be_ready_without_channels(void) {
    static struct skep__link_message message;
    const struct skep_command hello = {.id = SKEP_COMMAND_hello,
                                       .hello = {.protocol = SKEP_PROTOCOL, .pid = (uint64_t)getpid()}};
    const struct skep_command ready = {.id = SKEP_COMMAND_ready};
    struct skep_frame frame = {0};
    int status = skep__frame_add(&frame, &hello);
    if (status == SKEP_OK) status = skep__frame_add(&frame, &ready);
    if (status == SKEP_OK) status = skep__link_send(SKEP_LINK_FD, frame.data, frame.size_bytes, NULL, 0);
    skep__frame_free(&frame);
    struct pollfd link = {.fd = SKEP_LINK_FD, .events = POLLIN};
    while ((status == SKEP_OK || status == SKEP_EAGAIN) && poll(&link, 1, -1) == 1)
        status = skep__link_receive(SKEP_LINK_FD, &message);
    return 0;
}

static int be_worker(void) {
    skep_worker *worker;
    const char *status = getenv("TEST_EXIT");
    if (status != NULL) return atoi(status);
    if (getenv("TEST_LINK_ONLY") != NULL) return be_ready_without_channels();
    if (skep_worker_new(&worker, NULL) != SKEP_OK) return 70;
    if (skep_on_job(worker, "q", do_job, NULL) != SKEP_OK) return 71;
    int result = skep_worker_run(worker);
    skep_worker_free(&worker);
    return skep_exit_status(result);
}

static const char *const this_program[] = {"/proc/self/exe", NULL};

static skep_mock *open_with(const skep_mock_options *options) {
    skep_mock *mock = NULL;
    OK(skep_mock_broker_new(&mock, options));
    return mock;
}

static void test_a_program(void **state) {
    skep_mock *mock = open_with(NULL);
    uint32_t worker;
    (void)state;
    OK(skep_mock_broker_spawn(mock, this_program, NULL, &worker));
    assert_true(skep_mock_pid(mock, worker) > 0);
    OK(skep_mock_expect_ready(mock, worker, PATIENCE_MS));
    OK(skep_mock_expect_handles(mock, worker, "q", 0, PATIENCE_MS));
    uint64_t job = submit(mock, "result");
    OK(skep_mock_expect_done(mock, job, "done!", 5, PATIENCE_MS));
    OK(skep_mock_drain(mock, worker));
    OK(skep_mock_expect_exit(mock, worker, 0, PATIENCE_MS));
    assert_int_equal(skep_mock_pid(mock, worker), 0);
    OK(skep_mock_expect_quiet(mock, 0));
    skep_mock_broker_free(&mock);
}

/* What the program had begun when it ended is redelivered to the next one, which starts when its time has come. */
static void test_starting_again(void **state) {
    skep_mock_options options = {.respawn = true, .backoff_ms = 100};
    skep_mock *mock = open_with(&options);
    uint32_t first, second, third;
    (void)state;
    OK(skep_mock_broker_spawn(mock, this_program, NULL, &first));
    uint64_t exits = submit(mock, "exit"), waits = submit(mock, "plain");
    OK(skep_mock_expect_exit(mock, first, 3, PATIENCE_MS));
    assert_int_equal(look(mock, exits).state, SKEP_MOCK_READY);
    assert_true(look(mock, exits).redelivered);
    assert_int_equal(look(mock, waits).attempt, 0);
    skep_mock_advance(mock, 99);
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_respawned(mock, first, &second, SOON_MS));
    skep_mock_advance(mock, 1);
    OK(skep_mock_expect_respawned(mock, first, &second, PATIENCE_MS));
    OK(skep_mock_expect_exit(mock, second, 3, PATIENCE_MS));
    assert_int_equal(look(mock, exits).attempt, 2);
    skep_mock_advance(mock, 199);
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_respawned(mock, second, &third, 0));
    skep_mock_advance(mock, 1);
    OK(skep_mock_expect_respawned(mock, second, &third, PATIENCE_MS));
    assert_int_equal(third, 3);
    skep_mock_broker_free(&mock); /* while it starts */
}

static void test_ends(void **state) {
    static const char *const seven[] = {"TEST_EXIT=7", NULL};
    skep_mock *mock = open_with(NULL);
    uint32_t worker;
    (void)state;
    OK(skep_mock_broker_spawn(mock, this_program, seven, &worker));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_exit(mock, worker, 0, PATIENCE_MS));
    assert_non_null(strstr(skep_mock_why(mock), "expected: worker 1 exits with status 0\n"));
    assert_non_null(strstr(skep_mock_why(mock), "exited with status 7"));
    OK(skep_mock_expect_exit(mock, worker, 7, 0));
    OK(skep_mock_broker_spawn(mock, this_program, NULL, &worker));
    OK(skep_mock_expect_ready(mock, worker, PATIENCE_MS));
    OK(skep_mock_kill(mock, worker));
    OK(skep_mock_expect_signal(mock, worker, SIGKILL, PATIENCE_MS));
    OK(skep_mock_broker_spawn(mock, this_program, NULL, &worker));
    OK(skep_mock_expect_ready(mock, worker, PATIENCE_MS));
    OK(skep_mock_close_link(mock, worker)); /* as a broker that dies */
    OK(skep_mock_expect_exit(mock, worker, skep_exit_status(SKEP_ECLOSED), PATIENCE_MS));
    skep_mock_broker_free(&mock);
}

/* What it has counted and could not report is on its page. */
static void test_counts_of_the_killed(void **state) {
    skep_mock *mock = open_with(NULL);
    uint32_t worker;
    (void)state;
    OK(skep_mock_broker_spawn(mock, this_program, NULL, &worker));
    submit(mock, "count");
    OK(skep_mock_expect_signal(mock, worker, SIGKILL, PATIENCE_MS));
    OK(skep_mock_expect_count(mock, worker, "requests", 3, 0));
    OK(skep_mock_expect_count(mock, worker, "cats", 2, 0));
    skep_mock_broker_free(&mock);
}

/* Its inbox and outbox belong to a worker that is ready. */
static void test_ready_with_its_channels(void **state) {
    static const char *const link_only[] = {"TEST_LINK_ONLY=1", NULL};
    skep_mock *mock = open_with(NULL);
    uint32_t worker;
    (void)state;
    OK(skep_mock_broker_spawn(mock, this_program, link_only, &worker));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_ready(mock, worker, 10 * SOON_MS));
    assert_non_null(strstr(skep_mock_why(mock), "worker 1 is not ready: it has not connected its outbox\n"));
    skep_mock_broker_free(&mock);
}

static void test_programs_that_do_not_start(void **state) {
    static const char *const missing[] = {"/nowhere/at/all", NULL}, *const directory[] = {"/tmp", NULL};
    skep_mock *mock = open_with(NULL);
    uint32_t worker = 99;
    (void)state;
    FAILS(SKEP_ENOTFOUND, skep_mock_broker_spawn(mock, missing, NULL, &worker));
    assert_ptr_equal(strstr(skep_mock_why(mock), "/nowhere/at/all: No such file"), skep_mock_why(mock));
    FAILS(SKEP_ENOTEXEC, skep_mock_broker_spawn(mock, directory, NULL, &worker));
    assert_int_equal(worker, 99);
    skep_mock_broker_free(&mock);
}

/* --- expectations that are not met --- */

static void assert_why(const skep_mock *mock, const char *part) {
    if (strstr(skep_mock_why(mock), part) == NULL) fail_msg("\"%s\" is not in:\n%s", part, skep_mock_why(mock));
}

static void test_something_else_came(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t job = submit(mock, "retry");
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, job, "done!", 5, PATIENCE_MS));
    assert_why(mock, "expected within 10000 ms: job 1 done, the result \"done!\"\n"
                     "came instead: job 1 to be tried again after 500 ms, the reason \"out of paper\", by worker 1\n"
                     "worker 1 is ready, handles \"q\" (1 at a time)\n"
                     "latest commands (< from workers, > to them), clock at 0 ms:\n");
    assert_why(mock, "\n  > worker 1: jobs {queue: \"q\", delivery: 1, id: 1, lease_ms: 60000, jobs: 1 items}\n"
                     "  < worker 1: retry {delivery: 1, delay_ms: 500, reason: \"out of paper\"}");
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_quiet(mock, PATIENCE_MS));
    assert_why(mock, "expected for 10000 ms: nothing more\ncame instead:\n  job 1 to be tried again after 500 ms");
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_retried(mock, job, 499, NULL, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_retried(mock, job, 500, "no paper", PATIENCE_MS));
    OK(skep_mock_expect_retried(mock, job, 500, NULL, 0)); /* nothing was taken by those that failed */
    job = submit(mock, "result");
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, job, "done?", 5, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, job, "done", 4, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_done(mock, job, "", 0, PATIENCE_MS));
    FAILS(SKEP_EUNEXPECTED, skep_mock_expect_failed(mock, job, NULL, PATIENCE_MS));
    OK(skep_mock_expect_done(mock, job, NULL, 0, 0));
    skep_mock_broker_free(&mock);
}

static void test_nothing_came(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    uint64_t job, other = submit(mock, "keep");
    int fd;
    OK(skep_mock_submit(mock, "another queue", "", 0, NULL, &job));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_done(mock, job, NULL, 0, SOON_MS));
    assert_why(mock,
               "expected within 50 ms: job 2 done\njob 2 of the queue \"another queue\" waits for a worker, attempt 0\n"
               "no worker handles the queue \"another queue\"\nworker 1 is ready");
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_delivered(mock, job, 0, 0));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_extended(mock, other, 0));
    assert_why(mock, "job 1 of the queue \"q\" is being worked on, attempt 1, given to worker 1\nworker 1");
    FAILS(SKEP_ENOJOB, skep_mock_expect_done(mock, 9, NULL, 0, PATIENCE_MS));
    FAILS(SKEP_ENOWORKER, skep_mock_expect_ready(mock, 9, PATIENCE_MS));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_handles(mock, 1, "q", 2, 0));
    assert_why(mock, "expected within 0 ms: worker 1 handles \"q\" (2 at a time)");
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_message(mock, 0, "news", NULL, 0, 0));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_left(mock, 0, 0));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_count(mock, 1, "requests", 1, 0));
    FAILS(SKEP_ETIMEDOUT, skep_mock_expect_listening(mock, 1, "tcp://*:80", 0));
    FAILS(SKEP_ENOWORKER, skep_mock_connect(mock, 1, "tcp://*:80", &fd));
    skep_mock_broker_free(&mock);
}

/* --- misbehaving --- */

/* Bytes that are no frame are dropped by the worker, which goes on. */
static void test_malformed_frames(void **state) {
    skep_worker *worker;
    skep_mock *mock = open_mock(*state, &worker);
    OK(skep_mock_expect_ready(mock, 1, PATIENCE_MS));
    OK(skep_mock_send_raw(mock, 1, SKEP_MOCK_INBOX, "\xdd\x05\x00\x00\x00", 5));
    OK(skep_mock_expect_quiet(mock, SOON_MS));
    OK(skep_mock_expect_done(mock, submit(mock, "result"), "done!", 5, PATIENCE_MS));
    OK(skep_mock_send_raw(mock, 1, SKEP_MOCK_LINK, "\xff", 1)); /* its broker is mad: it leaves */
    OK(skep_mock_expect_left(mock, 1, PATIENCE_MS));
    assert_false(skep_worker_is_connected(worker));
    skep_mock_broker_free(&mock);
}

static void leaves(skep_worker *worker, void *context) {
    (void)worker;
    *(bool *)context = true;
}

static bool is_true(void *context) {
    return *(bool *)context;
}

static bool is_gone(void *worker) {
    return !skep_worker_is_connected(worker);
}

/* The link is lost while a job is kept: that stays the user's, then the worker is gone. */
static void test_a_link_that_closes(void **state) {
    struct kept *kept = *state;
    skep_worker *worker;
    skep_mock *mock = open_mock(kept, &worker);
    bool leaving = false;
    uint64_t job = submit(mock, "keep");
    skep_on_leave(worker, leaves, &leaving);
    OK(skep_mock_run_until(mock, keeps_one, worker, "a job is kept", PATIENCE_MS));
    OK(skep_mock_close_link(mock, 1));
    assert_true(look(mock, job).redelivered);
    OK(skep_mock_run_until(mock, is_true, &leaving, "it sees that", PATIENCE_MS));
    assert_true(skep_worker_is_connected(worker)); /* it waits for its job */
    skep_job_complete(kept->job, SKEP_DONE);
    assert_int_equal(skep_worker_jobs(worker), 0);
    OK(skep_mock_run_until(mock, is_gone, worker, "it has left", PATIENCE_MS));
    OK(skep_mock_expect_quiet(mock, 0));
    skep_mock_broker_free(&mock);
}

/* --- where it lives --- */

static unsigned entries_of(const char *dir) {
    unsigned count = 0;
    DIR *entries = opendir(dir);
    assert_non_null(entries);
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) count += e->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void test_directory_and_loop(void **state) {
    char dir[] = "/tmp/skep-test-XXXXXX", inner[300];
    skep_worker *worker;
    uv_loop_t loop;
    struct stat info;
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(setenv("TMPDIR", dir, 1), 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    skep_mock_options options = {.loop = &loop};
    skep_mock *mock = open_with(&options);
    assert_ptr_equal(skep_mock_loop(mock), &loop);
    OK(skep_mock_broker_worker(mock, &worker, NULL));
    assert_int_equal(entries_of(dir), 1);
    DIR *entries = opendir(dir);
    for (const struct dirent *e; (e = readdir(entries)) != NULL;)
        if (e->d_name[0] != '.') snprintf(inner, sizeof inner, "%s/%s", dir, e->d_name);
    closedir(entries);
    assert_int_equal(stat(inner, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    skep_mock_broker_free(&mock);
    assert_int_equal(uv_loop_close(&loop), 0); /* nothing is left in it */
    assert_int_equal(rmdir(dir), 0);           /* nor in the directory */
    unsetenv("TMPDIR");
}

int main(void) {
    struct kept kept = {0};
    if (skep_is_worker()) return be_worker();
#define TEST(function) cmocka_unit_test_prestate(function, &kept)
    const struct CMUnitTest tests[] = {
        TEST(test_a_program),
        TEST(test_starting_again),
        TEST(test_ends),
        TEST(test_counts_of_the_killed),
        TEST(test_ready_with_its_channels),
        TEST(test_programs_that_do_not_start),
        TEST(test_something_else_came),
        TEST(test_nothing_came),
        TEST(test_malformed_frames),
        TEST(test_a_link_that_closes),
        TEST(test_directory_and_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
