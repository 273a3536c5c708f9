/* SPDX-License-Identifier: MIT
 * A primary that is killed leaves no worker behind, and nothing that hinders the next one. */
#include "hive.h"
#include "roles.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { WORKERS = 5, GONE_MS = 2000 };

/* --- workers, in every state of mind --- */

static void spin(uv_idle_t *idle) {
    (void)idle;
}

static void be_busy(skep_worker *worker) {
    static uv_idle_t idle;
    uv_idle_init(skep_worker_loop(worker), &idle);
    uv_idle_start(&idle, spin);
}

static void ignore_signals(skep_worker *worker) {
    (void)worker;
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static void never(uv_timer_t *timer) {
    (void)timer;
}

static void linger(skep_worker *worker) {
    static uv_timer_t timer;
    uv_timer_init(skep_worker_loop(worker), &timer);
    uv_timer_start(&timer, never, 3600000, 0);
}

static const struct role roles[] = {
    {"idle", role_idle}, {"busy", be_busy}, {"ignore", ignore_signals}, {"linger", linger}, {NULL, NULL},
};

/* --- the primary that will be killed --- */

static void print_pid(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)context;
    if (skep_child_id(event->child) == WORKERS && kill(skep_child_pid(event->child), SIGSTOP) != 0) exit(1);
    printf("%d\n", (int)skep_child_pid(event->child));
    fflush(stdout);
    (void)cluster;
}

static int be_primary(const char *dir) {
    static const char *const variables[WORKERS] = {"SKEP_TEST_ROLE=idle", "SKEP_TEST_ROLE=busy",
                                                   "SKEP_TEST_ROLE=ignore", "SKEP_TEST_ROLE=linger",
                                                   "SKEP_TEST_ROLE=idle"};
    skep_cluster *cluster;
    unsetenv("SKEP_TEST_PRIMARY");
    role_need(skep_cluster_new(&cluster, NULL), "new");
    role_need(skep_setup_primary(cluster, &(skep_settings){.dir = dir}), "setup");
    role_need(skep_on(cluster, SKEP_EVENT_READY, print_pid, NULL), "on");
    for (unsigned i = 0; i < WORKERS; i++)
        role_need(skep_fork(cluster, (const char *const[]){variables[i], NULL}, NULL), "fork");
    return skep_cluster_run(cluster);
}

/* --- the test's side --- */

struct victim {
    pid_t pid;
    FILE *output;
    pid_t workers[WORKERS];
};

static void start_victim(struct victim *victim, const char *dir) {
    int output[2];
    char *const args[] = {(char *)"orphans", NULL};
    posix_spawn_file_actions_t actions;
    setenv("SKEP_TEST_PRIMARY", dir, 1);
    assert_int_equal(pipe(output), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, output[0]);
    assert_int_equal(posix_spawn(&victim->pid, "/proc/self/exe", &actions, NULL, args, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    unsetenv("SKEP_TEST_PRIMARY");
    close(output[1]);
    victim->output = fdopen(output[0], "r");
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(fscanf(victim->output, "%d", &victim->workers[i]), 1);
}

/* Milliseconds until a process has ended; it is a child of this one by then. */
static int wait_for_end(int pidfd, pid_t pid) {
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    uint64_t begin_ns = uv_hrtime();
    assert_true(pidfd >= 0);
    assert_int_equal(poll(&poll_fd, 1, GONE_MS), 1);
    close(pidfd);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return (int)((uv_hrtime() - begin_ns) / 1000000);
}

static int open_pid(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void kill_victim(struct victim *victim) {
    int pidfds[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) pidfds[i] = open_pid(victim->workers[i]);
    assert_int_equal(kill(victim->pid, SIGKILL), 0);
    assert_int_equal(waitpid(victim->pid, NULL, 0), victim->pid);
    int waited_ms = 0;
    for (unsigned i = 0; i < WORKERS; i++) waited_ms += wait_for_end(pidfds[i], victim->workers[i]);
    assert_true(waited_ms < GONE_MS);
    fclose(victim->output);
}

static void test_no_orphans(void **state) {
    struct hive *hive = *state;
    struct victim victim;
    start_victim(&victim, hive->dir);
    kill_victim(&victim);
    assert_true(hive_files(hive->dir) > 0); /* nobody could tidy up */
    hive_start(hive, NULL);
    hive_fork_ready(hive, "idle", NULL);
    hive_end(hive);
    assert_int_equal(hive_files(hive->dir), 0);
}

/* While it lives, nobody else may have its directory. */
static void test_one_at_a_time(void **state) {
    struct hive *hive = *state;
    struct victim victim;
    char owner[64];
    start_victim(&victim, hive->dir);
    hive_start(hive, NULL);
    int files = hive_files(hive->dir);
    assert_int_equal(skep_cluster_start(hive->cluster), SKEP_EBUSY);
    snprintf(owner, sizeof owner, "another broker owns it (pid %d)", (int)victim.pid);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), owner));
    assert_int_equal(hive_files(hive->dir), files);
    kill_victim(&victim);
    assert_int_equal(skep_cluster_start(hive->cluster), SKEP_OK);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    if (getenv("SKEP_TEST_PRIMARY") != NULL) return be_primary(getenv("SKEP_TEST_PRIMARY"));
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that orphans become this process's children */
    const struct CMUnitTest tests[] = {HIVE_TEST(test_no_orphans), HIVE_TEST(test_one_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
