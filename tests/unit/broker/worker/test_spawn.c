/* SPDX-License-Identifier: MIT
 * Fork and exec: what a new worker finds, and what happens if it cannot be. This program is the worker, too. */
#include "broker/hatch.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "worker/private.h"

/* --- what the worker tells over its link --- */

static size_t list_descriptors(char *text, size_t capacity_bytes) {
    size_t used = 0;
    DIR *entries = opendir("/proc/self/fd");
    if (entries == NULL) return 0;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) {
        if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(entries)) continue;
        used += (size_t)snprintf(text + used, capacity_bytes - used, "%s ", e->d_name);
    }
    closedir(entries);
    return used;
}

static bool signals_are_default(void) {
    sigset_t blocked;
    struct sigaction action;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigaction(SIGUSR1, NULL, &action);
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    return !sigismember(&blocked, SIGUSR2) && action.sa_handler == SIG_DFL && death == SIGKILL && getpgrp() == getpid();
}

static int write_page(void) {
    struct skep_page *page = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, SKEP_PAGE_FD, 0);
    if (page == MAP_FAILED || page->magic != SKEP_PAGE_MAGIC) return 1;
    page->beats = 77;
    return 0;
}

static int tell(const char *what) {
    if (strcmp(what, "page") == 0) return write_page();
    char text[400] = "";
    const char *variable = getenv(what);
    if (strcmp(what, "descriptors") == 0) list_descriptors(text, sizeof text);
    else if (strcmp(what, "signals") == 0)
        snprintf(text, sizeof text, "%s", signals_are_default() ? "default" : "changed");
    else if (strcmp(what, "cwd") == 0 && getcwd(text, sizeof text) == NULL) return 1;
    else if (strcmp(what, "umask") == 0) snprintf(text, sizeof text, "%03o", (unsigned)umask(0));
    else if (text[0] == '\0') snprintf(text, sizeof text, "%s", variable != NULL ? variable : "(unset)");
    return send(SKEP_LINK_FD, text, strlen(text), 0) == (ssize_t)strlen(text) ? 0 : 1;
}

/* --- the broker's side --- */

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    struct skep__spawned spawned;
    struct skep__link_message message;
    char text[sizeof((struct skep__link_message *)0)->data];
};

static struct bench *open_bench(struct pump *pump, const char *what, const skep_settings *settings) {
    struct bench *bench = calloc(1, sizeof *bench);
    skep_settings own = settings != NULL ? *settings : (skep_settings){0};
    const char *const args[] = {"tell", what, NULL};
    assert_non_null(bench);
    if (own.args == NULL) own.args = args;
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, &own);
    bench->cluster->instance.generation = 5;
    return bench;
}

static void close_bench(struct bench *bench) {
    hatch_free(bench->pump, &bench->cluster);
    free(bench);
}

/* Starts what the settings say. */
static int spawn(struct bench *bench, uint32_t id, char *const *env) {
    skep_settings settings = *skep_cluster_settings(bench->cluster);
    struct skep__terms terms = {.settings = &settings};
    const struct skep__program program = skep__program_of(&settings);
    const struct skep__start start = {.terms = &terms, .program = &program, .env = env};
    const skep_child child = {.cluster = bench->cluster, .id = id};
    return skep__spawn(&child, &start, &bench->spawned);
}

/* What the worker tells; it has ended then. */
static const char *ask(struct bench *bench, char *const *env) {
    int status = 0;
    if (spawn(bench, 9, env) != SKEP_OK) fail_msg("%s", skep_cluster_why(bench->cluster));
    assert_true(fcntl(bench->spawned.link, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(skep__link_wait(bench->spawned.link, PUMP_PATIENCE_MS), SKEP_OK);
    assert_int_equal(skep__link_receive(bench->spawned.link, &bench->message), SKEP_OK);
    memcpy(bench->text, bench->message.data, bench->message.size_bytes);
    bench->text[bench->message.size_bytes] = '\0';
    assert_int_equal(waitpid(bench->spawned.pid, &status, 0), bench->spawned.pid);
    assert_int_equal(status, 0);
    close(bench->spawned.pidfd);
    close(bench->spawned.link);
    skep__page_free(&bench->spawned.page);
    return bench->text;
}

/* Nothing of the broker's but the link and the page. */
static void test_descriptors(void **state) {
    struct bench *bench = open_bench(*state, "descriptors", NULL);
    int open_ones[20];
    for (unsigned i = 0; i < 20; i++) assert_true((open_ones[i] = dup(STDOUT_FILENO)) > 2); /* inherited by exec */
    assert_string_equal(ask(bench, NULL), "0 1 2 3 4 ");
    for (unsigned i = 0; i < 20; i++) close(open_ones[i]);
    close_bench(bench);
}

static void test_signals(void **state) {
    struct bench *bench = open_bench(*state, "signals", NULL);
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    signal(SIGUSR1, SIG_IGN);
    sigprocmask(SIG_BLOCK, &one, &before);
    const char *told = ask(bench, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGUSR1, SIG_DFL);
    assert_string_equal(told, "default");
    close_bench(bench);
}

static void test_page(void **state) {
    struct bench *bench = open_bench(*state, "page", NULL);
    int status = -1;
    if (spawn(bench, 9, NULL) != SKEP_OK) fail_msg("%s", skep_cluster_why(bench->cluster));
    assert_int_equal(waitpid(bench->spawned.pid, &status, 0), bench->spawned.pid);
    assert_int_equal(status, 0);
    assert_int_equal(bench->spawned.page->beats, 77);
    close(bench->spawned.pidfd);
    close(bench->spawned.link);
    skep__page_free(&bench->spawned.page);
    close_bench(bench);
}

/* --- environment --- */

static void expect_variable(struct pump *pump, const char *name, char *const *env, const char *value) {
    struct bench *bench = open_bench(pump, name, NULL);
    assert_string_equal(ask(bench, env), value);
    close_bench(bench);
}

static void test_environment(void **state) {
    char *env[] = {(char *)"SKEP_TEST_A=its", (char *)"SKEP_TEST_AB=another", (char *)"SKEP_WORKER_ID=1", NULL};
    setenv("SKEP_TEST_A", "mine", 1);
    setenv("SKEP_TEST_B", "kept", 1);
    expect_variable(*state, "SKEP_TEST_A", env, "its");
    expect_variable(*state, "SKEP_TEST_AB", env, "another"); /* no prefix of one another's */
    expect_variable(*state, "SKEP_TEST_B", env, "kept");
    expect_variable(*state, "SKEP_TEST_A", NULL, "mine");
    expect_variable(*state, "SKEP_TEST_C", env, "(unset)");
    assert_string_equal(getenv("SKEP_TEST_A"), "mine");
    unsetenv("SKEP_TEST_A");
    unsetenv("SKEP_TEST_B");
}

/* What the library removes before main() is seen by a program without it. */
static void test_own_variables(void **state) {
    const char *const args[] = {"-c", "test \"$SKEP_WORKER_ID:$SKEP_GENERATION:$0\" = 9:5:name", "name", NULL};
    struct bench *bench = open_bench(*state, "", &(skep_settings){.exec = "sh", .args = args});
    int status = -1;
    assert_int_equal(spawn(bench, 9, NULL), SKEP_OK);
    assert_int_equal(waitpid(bench->spawned.pid, &status, 0), bench->spawned.pid);
    assert_int_equal(status, 0);
    close(bench->spawned.pidfd);
    close(bench->spawned.link);
    skep__page_free(&bench->spawned.page);
    close_bench(bench);
}

/* The settings' variables beside the inherited ones, the worker's own beside both. */
static void test_environment_of_the_settings(void **state) {
    static const char *const of_all[] = {"SKEP_TEST_A=all", "SKEP_TEST_B=all", NULL};
    char *env[] = {(char *)"SKEP_TEST_B=its", NULL};
    static const char *const expected[][2] = {{"SKEP_TEST_A", "all"}, {"SKEP_TEST_B", "its"}};
    setenv("SKEP_TEST_A", "mine", 1);
    for (unsigned i = 0; i < 2; i++) {
        struct bench *bench = open_bench(*state, expected[i][0], &(skep_settings){.env = of_all});
        assert_string_equal(ask(bench, env), expected[i][1]);
        close_bench(bench);
    }
    unsetenv("SKEP_TEST_A");
}

static void test_umask(void **state) {
    struct bench *bench = open_bench(*state, "umask", &(skep_settings){.set_umask = true, .umask = 0});
    assert_string_equal(ask(bench, NULL), "000");
    close_bench(bench);
}

static void test_working_directory(void **state) {
    struct bench *bench = open_bench(*state, "cwd", &(skep_settings){.cwd = "/"});
    assert_string_equal(ask(bench, NULL), "/");
    close_bench(bench);
}

/* --- errors --- */

static unsigned count_descriptors(void) {
    unsigned count = 0;
    DIR *entries = opendir("/proc/self/fd");
    while (readdir(entries) != NULL) count++;
    closedir(entries);
    return count;
}

/* Nothing is left of a worker that could not be: no process, no descriptor. */
static void expect_failure(struct pump *pump, const skep_settings *settings, int status, const char *why) {
    struct bench *bench = open_bench(pump, "", settings);
    unsigned before = count_descriptors();
    assert_int_equal(spawn(bench, 1, NULL), status);
    if (strncmp(skep_cluster_why(bench->cluster), why, strlen(why)) != 0)
        fail_msg("%s", skep_cluster_why(bench->cluster));
    assert_int_equal(count_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    close_bench(bench);
}

static void test_not_found(void **state) {
    expect_failure(*state, &(skep_settings){.exec = "/no/such/program"}, SKEP_ENOTFOUND,
                   "/no/such/program: program not found");
    expect_failure(*state, &(skep_settings){.exec = "skep-no-such-program"}, SKEP_ENOTFOUND,
                   "skep-no-such-program: program not found");
    expect_failure(*state, &(skep_settings){.exec = "/etc/passwd/x"}, SKEP_ENOTFOUND,
                   "/etc/passwd/x: program not found");
}

static void test_not_executable(void **state) {
    expect_failure(*state, &(skep_settings){.exec = "/etc/passwd"}, SKEP_ENOTEXEC,
                   "/etc/passwd: program cannot be executed: ");
    expect_failure(*state, &(skep_settings){.exec = "/"}, SKEP_ENOTEXEC, "/: program cannot be executed: ");
}

static void test_bad_working_directory(void **state) {
    expect_failure(*state, &(skep_settings){.exec = "true", .cwd = "/no/such/folder"}, SKEP_ESYS,
                   "/no/such/folder: cannot be the working directory: ");
}

static void test_no_descriptors(void **state) {
    struct bench *bench = open_bench(*state, "", &(skep_settings){.exec = "true"});
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = spawn(bench, 1, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, SKEP_EMFILE);
    close_bench(bench);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "tell") == 0) return tell(argv[2]);
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_descriptors),
        PUMP_TEST(test_page),
        PUMP_TEST(test_signals),
        PUMP_TEST(test_environment),
        PUMP_TEST(test_own_variables),
        PUMP_TEST(test_environment_of_the_settings),
        PUMP_TEST(test_umask),
        PUMP_TEST(test_working_directory),
        PUMP_TEST(test_not_found),
        PUMP_TEST(test_not_executable),
        PUMP_TEST(test_bad_working_directory),
        PUMP_TEST(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
