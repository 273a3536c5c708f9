/* SPDX-License-Identifier: MIT
 * What a worker is started as: program, arguments, environment, folder, output, user; and what may be changed when. */
#include "hive.h"
#include "roles.h"

#include <fcntl.h>
#include <sys/stat.h>

static char **own_argv;

/* --- workers --- */

static void tell_variable(skep_worker *worker, const char *name) {
    const char *value = getenv(name);
    role_tell(worker, name, value != NULL ? value : "(unset)");
}

static void tell_environment(skep_worker *worker) {
    static const char *const names[] = {"SKEP_TEST_INHERITED", "SKEP_TEST_OVERRIDDEN", "SKEP_TEST_ADDED",
                                        "SKEP_WORKER_ID", "SKEP_GENERATION"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) tell_variable(worker, names[i]);
    role_tell_number(worker, "id", skep_worker_id(worker));
    role_tell(worker, "is worker", skep_is_worker() && !skep_is_primary() ? "yes" : "no");
}

static void tell_arguments(skep_worker *worker) {
    for (char **argument = own_argv + 1; *argument != NULL; argument++) role_tell(worker, "argument", *argument);
    role_tell(worker, "end", "");
}

static void tell_folder(skep_worker *worker) {
    char path[256];
    role_tell(worker, "cwd", getcwd(path, sizeof path));
}

static void tell_descriptor(skep_worker *worker, const char *name, const char *link) {
    char path[256] = "";
    if (readlink(link, path, sizeof path - 1) >= 0) role_tell(worker, name, path);
}

static void tell_output(skep_worker *worker) {
    tell_descriptor(worker, "stdin", "/proc/self/fd/0");
    tell_descriptor(worker, "stdout", "/proc/self/fd/1");
    tell_descriptor(worker, "stderr", "/proc/self/fd/2");
}

static void tell_user(skep_worker *worker) {
    role_tell_number(worker, "uid", geteuid());
    role_tell_number(worker, "gid", getegid());
}

static void got(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    role_tell(worker, "reached", message->name);
}

static void send_to_the_expected_name(skep_worker *worker) {
    role_need(skep_send_to_name(worker, getenv("SKEP_TEST_EXPECTED"), "you", NULL, 0), "send to a name");
}

/* The broker may hear of the message before it hears that this worker is ready. */
static void not_yet(skep_worker *worker, uint32_t to, const char *name, int status, void *context) {
    (void)to;
    (void)name;
    (void)context;
    if (status == SKEP_ENOWORKER) send_to_the_expected_name(worker);
}

static void tell_whether_the_name_reaches_me(skep_worker *worker) {
    skep_on_message(worker, got, NULL);
    skep_on_undelivered(worker, not_yet, NULL);
    send_to_the_expected_name(worker);
}

static const struct role roles[] = {
    {"idle", role_idle},
    {"environment", tell_environment},
    {"arguments", tell_arguments},
    {"folder", tell_folder},
    {"output", tell_output},
    {"user", tell_user},
    {"name", tell_whether_the_name_reaches_me},
    {NULL, NULL},
};

/* --- environment --- */

static void expect_said(struct hive *hive, uint32_t worker, const char *name, const char *text) {
    HIVE_UNTIL(hive, hive_message(hive, worker, name) != NULL);
    assert_string_equal(hive_message(hive, worker, name)->text, text);
}

static void test_environment(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    setenv("SKEP_TEST_INHERITED", "mine", 1);
    setenv("SKEP_TEST_OVERRIDDEN", "mine", 1);
    assert_int_equal(skep_fork(hive->cluster,
                               (const char *const[]){"SKEP_TEST_ROLE=environment", "SKEP_TEST_OVERRIDDEN=its",
                                                     "SKEP_TEST_ADDED=a=b", "SKEP_WORKER_ID=77", NULL},
                               NULL),
                     SKEP_OK);
    expect_said(hive, 1, "SKEP_TEST_INHERITED", "mine");
    expect_said(hive, 1, "SKEP_TEST_OVERRIDDEN", "its");
    expect_said(hive, 1, "SKEP_TEST_ADDED", "a=b");
    expect_said(hive, 1, "SKEP_WORKER_ID", "(unset)");
    expect_said(hive, 1, "SKEP_GENERATION", "(unset)");
    expect_said(hive, 1, "id", "1");
    expect_said(hive, 1, "is worker", "yes");
    assert_string_equal(getenv("SKEP_TEST_OVERRIDDEN"), "mine");
    assert_null(getenv("SKEP_TEST_ADDED"));
    assert_true(skep_is_primary());
    assert_false(skep_is_worker());
}

/* --- program, arguments, folder, output --- */

static void test_arguments(void **state) {
    struct hive *hive = *state;
    char inside[] = "inside";
    const char *args[] = {"one", inside, "", NULL};
    hive_start(hive, NULL);
    hive_fork(hive, "arguments", NULL);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.args = args}), SKEP_OK);
    args[0] = "changed";
    inside[0] = '?';
    hive_fork(hive, "arguments", NULL);
    HIVE_UNTIL(hive, hive_messages(hive, 0, "end") == 2);
    assert_int_equal(hive_messages(hive, 1, "argument"), 1); /* this program's own */
    assert_string_equal(hive_message(hive, 1, "argument")->text, own_argv[1]);
    assert_int_equal(hive_messages(hive, 2, "argument"), 3);
    assert_string_equal(hive_message(hive, 2, "argument")->text, "one");
    assert_string_equal((hive_message(hive, 2, "argument") + 1)->text, "inside");
    assert_string_equal((hive_message(hive, 2, "argument") + 2)->text, "");
}

/* Settings affect later forks only. */
static void test_folder(void **state) {
    struct hive *hive = *state;
    char here[256];
    assert_non_null(getcwd(here, sizeof here));
    hive_start(hive, &(skep_settings){.cwd = "/"});
    hive_fork(hive, "folder", NULL);
    assert_int_equal(skep_reset_primary(hive->cluster, &(skep_settings){.cwd = NULL}), SKEP_OK);
    hive_fork(hive, "folder", NULL);
    expect_said(hive, 1, "cwd", "/");
    expect_said(hive, 2, "cwd", here);
}

static void test_output(void **state) {
    struct hive *hive = *state;
    char mine[256] = "";
    assert_true(readlink("/proc/self/fd/1", mine, sizeof mine - 1) > 0);
    hive_start(hive, &(skep_settings){.silent = true});
    hive_fork(hive, "output", NULL);
    assert_int_equal(skep_reset_primary(hive->cluster, &(skep_settings){.silent = false}), SKEP_OK);
    hive_fork(hive, "output", NULL);
    expect_said(hive, 1, "stdout", "/dev/null");
    expect_said(hive, 1, "stderr", "/dev/null");
    expect_said(hive, 1, "stdin", "/dev/null");
    expect_said(hive, 2, "stdout", mine);
    expect_said(hive, 2, "stdin", "/dev/null");
}

static void test_descriptors_of_ones_own(void **state) {
    struct hive *hive = *state;
    char path[128], mine[256] = "";
    snprintf(path, sizeof path, "%s.out", hive->dir);
    int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(readlink("/proc/self/fd/1", mine, sizeof mine - 1) > 0);
    hive_start(hive, &(skep_settings){.stdio = (const int[]){-1, file, 1}});
    hive_fork(hive, "output", NULL);
    expect_said(hive, 1, "stdin", "/dev/null");
    expect_said(hive, 1, "stdout", path);
    expect_said(hive, 1, "stderr", mine);
    close(file);
    unlink(path);
}

static void test_another_program(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.exec = "sh", .args = (const char *const[]){"-c", "exit 5", NULL}});
    hive_fork(hive, "idle", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 5);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ONLINE, 0), 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DISCONNECT, 1), 1);
}

static void expect_fork_fails(struct hive *hive, const skep_settings *settings, int status, const char *why) {
    skep_child *child = NULL;
    assert_int_equal(skep_reset_primary(hive->cluster, settings), SKEP_OK);
    assert_int_equal(skep_fork(hive->cluster, NULL, &child), status);
    assert_null(child);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), why));
    assert_int_equal(skep_child_count(hive->cluster), 0);
}

static void test_programs_that_cannot_be(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    expect_fork_fails(hive, &(skep_settings){.exec = "/no/such/program"}, SKEP_ENOTFOUND,
                      "/no/such/program: program not found");
    expect_fork_fails(hive, &(skep_settings){.exec = "/etc/passwd"}, SKEP_ENOTEXEC,
                      "/etc/passwd: program cannot be executed");
    expect_fork_fails(hive, &(skep_settings){.cwd = "/no/such/folder"}, SKEP_ESYS,
                      "/no/such/folder: cannot be the working directory");
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, 0), 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_EXIT, 0), 0);
}

/* Only root can become somebody else; others are told so. */
static void test_user(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_settings settings = {.set_ids = true, .uid = geteuid(), .gid = getegid()};
    if (geteuid() != 0) {
        settings.uid = 0;
        expect_fork_fails(hive, &settings, SKEP_EACCES, "cannot become user 0");
        return;
    }
    settings.gid = 65534;
    assert_int_equal(skep_setup_primary(hive->cluster, &settings), SKEP_OK);
    hive_fork(hive, "user", NULL);
    expect_said(hive, 1, "uid", "0");
    expect_said(hive, 1, "gid", "65534");
}

/* The default name of a worker is its program's. */
static void test_name_is_the_programs(void **state) {
    struct hive *hive = *state;
    char variable[64];
    hive_start(hive, NULL);
    snprintf(variable, sizeof variable, "SKEP_TEST_EXPECTED=%s", program_invocation_short_name);
    hive_fork_ready(hive, "name", variable);
    expect_said(hive, 1, "reached", "you");
}

/* --- what is in force --- */

static void test_defaults(void **state) {
    struct hive *hive = *state;
    unsetenv("SKEP_POLICY");
    hive_start(hive, NULL);
    const skep_settings *settings = skep_cluster_settings(hive->cluster);
    assert_int_equal(settings->policy, SKEP_POLICY_ROUND_ROBIN);
    assert_int_equal(settings->interval_ms, 10000);
    assert_int_equal(settings->ready_timeout_ms, 10000);
    assert_int_equal(settings->drain_timeout_ms, 10000);
    assert_int_equal(settings->credit, 64);
    assert_false(settings->respawn);
    assert_false(settings->silent);
    assert_string_equal(settings->args[0], own_argv[1]);
    assert_string_equal(skep_cluster_dir(hive->cluster), "");
    assert_string_equal(skep_cluster_name(hive->cluster), "");
    assert_string_equal(skep_cluster_why(hive->cluster), "");
}

static void test_start_takes_the_directory(void **state) {
    struct hive *hive = *state;
    char name[80];
    hive_start(hive, NULL);
    assert_int_equal(hive_files(hive->dir), 0);
    assert_int_equal(skep_cluster_start(hive->cluster), SKEP_OK);
    assert_int_equal(skep_cluster_start(hive->cluster), SKEP_OK);
    assert_true(hive_files(hive->dir) >= 3);
    assert_string_equal(skep_cluster_dir(hive->cluster), hive->dir);
    snprintf(name, sizeof name, "%s-%d", program_invocation_short_name, (int)getpid());
    assert_string_equal(skep_cluster_name(hive->cluster), name);
    skep_cluster *second;
    assert_int_equal(skep_cluster_new(&second, NULL), SKEP_OK);
    assert_int_equal(skep_setup_primary(second, &(skep_settings){.dir = hive->dir}), SKEP_OK);
    assert_int_equal(skep_cluster_start(second), SKEP_EBUSY);
    assert_non_null(strstr(skep_cluster_why(second), "another broker owns it"));
    assert_int_equal(skep_fork(second, NULL, NULL), SKEP_EBUSY);
    skep_cluster_free(&second);
    assert_true(hive_files(hive->dir) >= 3);
}

static void test_policy_is_frozen_by_the_first_fork(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.policy = SKEP_POLICY_STICKY});
    assert_int_equal(skep_cluster_settings(hive->cluster)->policy, SKEP_POLICY_STICKY);
    assert_int_equal(
        skep_setup_primary(hive->cluster, &(skep_settings){.policy = SKEP_POLICY_SHARED, .dir = hive->dir}), SKEP_OK);
    hive_fork(hive, "idle", NULL);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.policy = SKEP_POLICY_STICKY, .credit = 7}),
                     SKEP_OK);
    assert_int_equal(skep_cluster_settings(hive->cluster)->policy, SKEP_POLICY_SHARED);
    assert_int_equal(skep_cluster_settings(hive->cluster)->credit, 7);
    assert_string_equal(skep_cluster_dir(hive->cluster), hive->dir);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_SETUP, 0) == 3);
}

static enum skep_policy policy_after_a_fork(struct hive *hive) {
    hive_fork(hive, "idle", NULL);
    return skep_cluster_settings(hive->cluster)->policy;
}

static void test_policy_by_default(void **state) {
    struct hive *hive = *state;
    unsetenv("SKEP_POLICY");
    hive_start(hive, NULL);
    assert_int_equal(policy_after_a_fork(hive), SKEP_POLICY_ROUND_ROBIN);
}

static void test_policy_of_the_environment(void **state) {
    struct hive *hive = *state;
    setenv("SKEP_POLICY", "nonsense", 1);
    hive_start(hive, NULL);
    assert_int_equal(skep_fork(hive->cluster, NULL, NULL), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(hive->cluster), "SKEP_POLICY=nonsense: no such policy");
    setenv("SKEP_POLICY", "least-connections", 1);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.dir = hive->dir}), SKEP_OK);
    assert_int_equal(policy_after_a_fork(hive), SKEP_POLICY_LEAST_CONNECTIONS);
    unsetenv("SKEP_POLICY");
}

/* What the program says goes before what the environment says, sensible or not. */
static void test_policy_of_the_program(void **state) {
    struct hive *hive = *state;
    setenv("SKEP_POLICY", "nonsense", 1);
    hive_start(hive, &(skep_settings){.policy = SKEP_POLICY_SHARED});
    assert_int_equal(policy_after_a_fork(hive), SKEP_POLICY_SHARED);
    unsetenv("SKEP_POLICY");
}

static void test_policy_names(void **state) {
    enum skep_policy policy = SKEP_POLICY_DEFAULT;
    (void)state;
    for (enum skep_policy p = SKEP_POLICY_ROUND_ROBIN; p < SKEP_POLICY_CUSTOM; p++) {
        assert_int_equal(skep_policy_parse(skep_policy_name(p), &policy), SKEP_OK);
        assert_int_equal(policy, p);
    }
    policy = SKEP_POLICY_STICKY;
    assert_int_equal(skep_policy_parse("custom", &policy), SKEP_EINVAL);
    assert_int_equal(skep_policy_parse("", &policy), SKEP_EINVAL);
    assert_int_equal(policy, SKEP_POLICY_STICKY);
    assert_string_equal(skep_policy_name(SKEP_POLICY_DEFAULT), "default");
    assert_string_equal(skep_version(), SKEP_VERSION);
}

static void test_bad_settings(void **state) {
    struct hive *hive = *state;
    char long_name[66];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    hive_start(hive, &(skep_settings){.credit = 253});
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.credit = 254}), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(hive->cluster), "credit 254: at most 253");
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.policy = SKEP_POLICY_CUSTOM}), SKEP_EINVAL);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.name = long_name}), SKEP_EINVAL);
    assert_int_equal(skep_cluster_settings(hive->cluster)->credit, 253);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_SETUP, 0), 1);
}

int main(int argc, char **argv) {
    char *again[] = {argv[0], (char *)"an argument", NULL};
    own_argv = argv;
    if (skep_is_worker()) return role_play(roles);
    if (argc == 1) return execv("/proc/self/exe", again); /* so that there is an argument to pass on */
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_environment),
        HIVE_TEST(test_arguments),
        HIVE_TEST(test_folder),
        HIVE_TEST(test_output),
        HIVE_TEST(test_descriptors_of_ones_own),
        HIVE_TEST(test_another_program),
        HIVE_TEST(test_programs_that_cannot_be),
        HIVE_TEST(test_user),
        HIVE_TEST(test_name_is_the_programs),
        HIVE_TEST(test_defaults),
        HIVE_TEST(test_start_takes_the_directory),
        HIVE_TEST(test_policy_is_frozen_by_the_first_fork),
        HIVE_TEST(test_policy_by_default),
        HIVE_TEST(test_policy_of_the_environment),
        HIVE_TEST(test_policy_of_the_program),
        cmocka_unit_test(test_policy_names),
        HIVE_TEST(test_bad_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
