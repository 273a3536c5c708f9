/* SPDX-License-Identifier: MIT
 * Groups end with their guard, also if the process that guards them is killed; what a broker left is known by its mark.
 */
#include "broker/hatch.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "worker/private.h"

enum { GONE_MS = 5000 };

/* A process in a group of its own, or in another's. */
static pid_t start(pid_t group) {
    pid_t pid = fork();
    if (pid == 0)
        for (;;) pause();
    assert_int_equal(setpgid(pid, group), 0);
    return pid;
}

/* The signal that ends it; -1: none does. */
static int end_of(pid_t pid, int timeout_ms) {
    struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    int status = -1;
    if (poll(&end, 1, timeout_ms) == 1) assert_int_equal(waitpid(pid, &status, 0), pid);
    close(end.fd);
    return status >= 0 && WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void test_a_group_ends_with_its_guard(void **state) {
    (void)state;
    struct skep__process process = {.guard = {-1, -1}};
    skep_child child = {.pid = start(0), .process = &process};
    pid_t helper = start(child.pid), stranger = start(0);
    skep__belongings_guard(&child);
    assert_true(process.guard[0] >= 0 && process.guard[1] >= 0);
    kill(child.pid, SIGKILL);
    assert_int_equal(end_of(child.pid, GONE_MS), SIGKILL);
    assert_int_equal(end_of(helper, 0), -1);
    skep__belongings_end(&child, false); /* its worker was reaped: the number is not used */
    assert_int_equal(end_of(helper, GONE_MS), SIGKILL);
    assert_true(process.guard[0] == -1 && process.guard[1] == -1);
    assert_int_equal(end_of(stranger, 0), -1);
    kill(stranger, SIGKILL);
    assert_int_equal(end_of(stranger, GONE_MS), SIGKILL);
}

static void test_a_group_ends_with_who_guards_it(void **state) {
    (void)state;
    int said[2];
    pid_t pids[2];
    assert_int_equal(pipe(said), 0);
    pid_t broker = fork();
    if (broker == 0) {
        struct skep__process process = {.guard = {-1, -1}};
        skep_child child = {.pid = start(0), .process = &process};
        pids[0] = child.pid;
        pids[1] = start(child.pid);
        skep__belongings_guard(&child);
        if (write(said[1], pids, sizeof pids) != sizeof pids) _exit(1);
        for (;;) pause();
    }
    assert_int_equal(read(said[0], pids, sizeof pids), sizeof pids);
    assert_int_equal(end_of(pids[0], 0), -1);
    kill(broker, SIGKILL);
    assert_int_equal(end_of(broker, GONE_MS), SIGKILL);
    for (unsigned i = 0; i < 2; i++) assert_int_equal(end_of(pids[i], GONE_MS), SIGKILL); /* adopted */
    close(said[0]);
    close(said[1]);
}

static pid_t start_marked(const char *mark) {
    pid_t pid = fork();
    if (pid == 0) {
        putenv((char *)mark);
        execlp("sleep", "sleep", "3600", (char *)NULL);
        _exit(1);
    }
    return pid;
}

static bool runs_sleep(pid_t pid) {
    char path[32], name[8] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool runs = fd >= 0 && read(fd, name, 5) == 5 && memcmp(name, "sleep", 5) == 0;
    close(fd);
    return runs;
}

static void test_what_a_broker_left(void **state) {
    struct pump *pump = *state;
    char marks[3][SKEP__MARK_BYTES];
    pid_t broker = fork(), left[3];
    if (broker == 0) _exit(0);
    assert_int_equal(waitpid(broker, NULL, 0), broker);
    snprintf(marks[0], sizeof marks[0], SKEP_ENV_MARK "=%d.7.1", (int)broker);
    snprintf(marks[1], sizeof marks[1], SKEP_ENV_MARK "=%d.8.1", (int)broker);
    snprintf(marks[2], sizeof marks[2], SKEP_ENV_MARK "=%d.7.1", (int)getppid());
    for (unsigned i = 0; i < 3; i++) {
        left[i] = start_marked(marks[i]);
        PUMP_LOOK_UNTIL(pump, runs_sleep(left[i]));
    }
    skep__orphans_inherit(0, 0);
    skep__orphans_inherit(getppid(), 7); /* it lives */
    assert_int_equal(end_of(left[0], 0), -1);
    skep__orphans_inherit(broker, 7);
    assert_int_equal(end_of(left[0], 0), SIGKILL);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(end_of(left[i], 0), -1);
        kill(left[i], SIGKILL);
        assert_int_equal(end_of(left[i], GONE_MS), SIGKILL);
    }
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_ends_with_its_guard),
        cmocka_unit_test(test_a_group_ends_with_who_guards_it),
        PUMP_TEST(test_what_a_broker_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
