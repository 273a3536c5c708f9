/* SPDX-License-Identifier: MIT
 * Settings: defaults filled in, copies taken, what is frozen kept, what is bad refused. */
#include "broker/hatch.h"

#include "config/settings.h"

static size_t choose_none(const struct sockaddr *client, const skep_candidate *candidates, size_t count,
                          void *context) {
    (void)client;
    (void)candidates;
    (void)context;
    return count;
}

static void take(skep_cluster *cluster, const skep_settings *settings) {
    if (skep__settings_take(cluster, &skep_cluster_group(cluster)->terms, settings) != SKEP_OK)
        fail_msg("%s", skep_cluster_why(cluster));
}

static void test_defaults(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    char program[256] = "";
    unsetenv(SKEP_ENV_POLICY);
    take(cluster, &(skep_settings){0});
    const skep_settings *s = skep_cluster_settings(cluster);
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    assert_string_equal(s->exec, program);
    assert_non_null(s->args);
    assert_null(s->args[0]); /* this program has no arguments */
    assert_null(s->cwd);
    assert_null(s->name);
    assert_null(s->dir);
    assert_int_equal(s->policy, SKEP_POLICY_ROUND_ROBIN);
    assert_int_equal(s->interval_ms, 10000);
    assert_int_equal(s->ready_timeout_ms, 10000);
    assert_int_equal(s->drain_timeout_ms, 10000);
    assert_int_equal(s->credit, 64);
    assert_int_equal(s->watchdog_ms, 0);
    assert_int_equal(s->stable_ms, 1000);
    assert_int_equal(s->failures, 0); /* by the number of workers */
    assert_int_equal(s->failures_period_ms, 60000);
    assert_int_equal(s->breaker_ms, 10000);
    assert_false(s->silent || s->set_ids || s->respawn);
    hatch_free(*state, &cluster);
}

static void test_defaults_of_jobs(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    const skep_settings *s = skep_cluster_settings(cluster);
    assert_int_equal(s->lease_ms, 60000);
    assert_int_equal(s->attempts, 5);
    assert_int_equal(s->deaths, 3);
    assert_int_equal(s->dedup_ms, 120000);
    assert_int_equal(s->queue_jobs, 16777216);
    assert_int_equal(s->queue_bytes, UINT64_C(1073741824));
    assert_int_equal(s->jobs_bytes, UINT64_C(2147483648));
    assert_int_equal(s->job_credit, 4096);
    assert_int_equal(s->job_credit_bytes, 8388608);
    hatch_free(*state, &cluster);
}

static void test_values_of_jobs(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    take(cluster, &(skep_settings){.watchdog_ms = 100,
                                   .lease_ms = 101,
                                   .attempts = 2,
                                   .deaths = 4,
                                   .dedup_ms = 6,
                                   .queue_jobs = 7,
                                   .queue_bytes = UINT64_C(1) << 40,
                                   .jobs_bytes = UINT64_C(1) << 41,
                                   .job_credit = 10,
                                   .job_credit_bytes = 11});
    const skep_settings *s = skep_cluster_settings(cluster);
    assert_int_equal(s->watchdog_ms, 100);
    assert_int_equal(s->lease_ms, 101);
    assert_int_equal(s->attempts, 2);
    assert_int_equal(s->deaths, 4);
    assert_int_equal(s->dedup_ms, 6);
    assert_int_equal(s->queue_jobs, 7);
    assert_int_equal(s->queue_bytes, UINT64_C(1) << 40);
    assert_int_equal(s->jobs_bytes, UINT64_C(1) << 41);
    assert_int_equal(s->job_credit, 10);
    assert_int_equal(s->job_credit_bytes, 11);
    hatch_free(*state, &cluster);
}

static void test_copies(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    char exec[] = "program", cwd[] = "/folder", name[] = "name", dir[] = "/dir", argument[] = "argument";
    const char *args[] = {argument, "second", NULL};
    take(cluster, &(skep_settings){.exec = exec,
                                   .cwd = cwd,
                                   .name = name,
                                   .dir = dir,
                                   .args = args,
                                   .credit = 7,
                                   .interval_ms = 1,
                                   .ready_timeout_ms = 2,
                                   .drain_timeout_ms = 3,
                                   .silent = true});
    exec[0] = cwd[0] = name[0] = dir[0] = argument[0] = '?';
    args[1] = NULL;
    const skep_settings *s = skep_cluster_settings(cluster);
    assert_string_equal(s->exec, "program");
    assert_string_equal(s->cwd, "/folder");
    assert_string_equal(s->name, "name");
    assert_string_equal(s->dir, "/dir");
    assert_string_equal(s->args[0], "argument");
    assert_string_equal(s->args[1], "second");
    assert_null(s->args[2]);
    assert_int_equal(s->credit, 7);
    assert_int_equal(s->interval_ms + s->ready_timeout_ms + s->drain_timeout_ms, 6);
    assert_true(s->silent);
    hatch_free(*state, &cluster);
}

/* Settings may be taken from those in force. */
static void test_taken_from_itself(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.exec = "program", .cwd = "/folder"});
    skep_settings changed = *skep_cluster_settings(cluster);
    changed.silent = true;
    take(cluster, &changed);
    assert_string_equal(skep_cluster_settings(cluster)->exec, "program");
    assert_string_equal(skep_cluster_settings(cluster)->cwd, "/folder");
    assert_true(skep_cluster_settings(cluster)->silent);
    hatch_free(*state, &cluster);
}

/* --- adding up --- */

static void add(skep_cluster *cluster, const skep_settings *settings) {
    if (skep_setup_primary(cluster, settings) != SKEP_OK) fail_msg("%s", skep_cluster_why(cluster));
}

/* Node: the defaults of later calls are the current values. */
static void test_later_calls_add_up(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    add(cluster, &(skep_settings){.exec = "program", .set_ids = true, .uid = 7, .gid = 8, .silent = true});
    add(cluster, &(skep_settings){.args = (const char *const[]){"one", NULL}, .lease_ms = 500, .uid = 9});
    add(cluster, &(skep_settings){.stdio = (const int[]){-1, 1, 2}, .cwd = "/folder", .respawn = true});
    add(cluster, &(skep_settings){.policy = SKEP_POLICY_CUSTOM, .choose = choose_none, .choose_context = &cluster});
    add(cluster, &(skep_settings){0});
    const skep_settings *s = skep_cluster_settings(cluster);
    assert_string_equal(s->exec, "program");
    assert_string_equal(s->args[0], "one");
    assert_string_equal(s->cwd, "/folder");
    assert_int_equal(s->stdio[2], 2);
    assert_true(s->silent && s->respawn && s->set_ids);
    assert_int_equal(s->uid, 7); /* what goes without set_ids is not meant */
    assert_int_equal(s->gid, 8);
    assert_int_equal(s->lease_ms, 500);
    assert_int_equal(s->policy, SKEP_POLICY_CUSTOM);
    assert_ptr_equal(s->choose_context, &cluster);
    hatch_free(*state, &cluster);
}

/* Numbers that are set survive a call that sets none. */
static void test_numbers_are_kept(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    skep_settings s = {.interval_ms = 1, .ready_timeout_ms = 2, .drain_timeout_ms = 3, .credit = 4, .watchdog_ms = 500};
    s.lease_ms = 600, s.attempts = 7, s.deaths = 8, s.dedup_ms = 9, s.queue_jobs = 10, s.queue_bytes = 11;
    s.jobs_bytes = 12, s.job_credit = 13, s.job_credit_bytes = 14, s.stable_ms = 15, s.failures = 16;
    s.failures_period_ms = 17, s.breaker_ms = 1800, s.log_bytes = 19, s.capture = true;
    add(cluster, &s);
    add(cluster, &(skep_settings){0});
    const skep_settings *now = skep_cluster_settings(cluster);
    assert_int_equal(now->interval_ms + now->ready_timeout_ms + now->drain_timeout_ms + now->credit, 10);
    assert_int_equal(now->watchdog_ms, 500);
    assert_int_equal(now->lease_ms, 600);
    assert_int_equal(now->attempts + now->deaths + now->dedup_ms, 24);
    assert_int_equal(now->queue_jobs + now->queue_bytes + now->jobs_bytes, 33);
    assert_int_equal(now->job_credit + now->job_credit_bytes, 27);
    assert_int_equal(now->stable_ms + now->failures + now->failures_period_ms, 48);
    assert_int_equal(now->breaker_ms, 1800);
    assert_int_equal(now->log_bytes, 19);
    assert_true(now->capture);
    hatch_free(*state, &cluster);
}

static void test_reset(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.credit = 9, .silent = true, .cwd = "/folder"});
    skep_settings changed = *skep_cluster_settings(cluster);
    changed.silent = false;
    assert_int_equal(skep_reset_primary(cluster, &changed), SKEP_OK);
    assert_false(skep_cluster_settings(cluster)->silent);
    assert_string_equal(skep_cluster_settings(cluster)->cwd, "/folder");
    assert_int_equal(skep_reset_primary(cluster, &(skep_settings){0}), SKEP_OK);
    assert_null(skep_cluster_settings(cluster)->cwd);
    assert_int_equal(skep_cluster_settings(cluster)->credit, 64);
    hatch_free(*state, &cluster);
}

/* --- frozen --- */

static void test_policy_is_frozen(void **state) {
    skep_cluster *cluster =
        hatch_cluster(*state, &(skep_settings){.policy = SKEP_POLICY_CUSTOM, .choose = choose_none});
    assert_int_equal(skep__settings_freeze(cluster, &skep_cluster_group(cluster)->terms), SKEP_OK);
    assert_int_equal(skep__settings_freeze(cluster, &skep_cluster_group(cluster)->terms), SKEP_OK);
    take(cluster, &(skep_settings){.policy = SKEP_POLICY_STICKY, .credit = 3});
    assert_int_equal(skep_cluster_settings(cluster)->policy, SKEP_POLICY_CUSTOM);
    assert_ptr_equal(skep_cluster_settings(cluster)->choose, choose_none);
    assert_int_equal(skep_cluster_settings(cluster)->credit, 3);
    hatch_free(*state, &cluster);
}

static void expect_policy(struct pump *pump, enum skep_policy given, const char *environment,
                          enum skep_policy expected) {
    if (environment != NULL) setenv(SKEP_ENV_POLICY, environment, 1);
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){.policy = given});
    assert_int_equal(skep__settings_freeze(cluster, &skep_cluster_group(cluster)->terms), SKEP_OK);
    unsetenv(SKEP_ENV_POLICY);
    assert_int_equal(skep_cluster_settings(cluster)->policy, expected);
    hatch_free(pump, &cluster);
}

static void test_policy_of_the_environment(void **state) {
    expect_policy(*state, SKEP_POLICY_DEFAULT, NULL, SKEP_POLICY_ROUND_ROBIN);
    expect_policy(*state, SKEP_POLICY_DEFAULT, "", SKEP_POLICY_ROUND_ROBIN);
    expect_policy(*state, SKEP_POLICY_DEFAULT, "reuseport", SKEP_POLICY_REUSEPORT);
    expect_policy(*state, SKEP_POLICY_SHARED, "reuseport", SKEP_POLICY_SHARED);
    expect_policy(*state, SKEP_POLICY_SHARED, "nonsense", SKEP_POLICY_SHARED);
}

static void test_bad_policy_of_the_environment(void **state) {
    setenv(SKEP_ENV_POLICY, "custom", 1); /* cannot be asked for by name */
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    assert_int_equal(skep__settings_freeze(cluster, &skep_cluster_group(cluster)->terms), SKEP_EINVAL);
    unsetenv(SKEP_ENV_POLICY);
    assert_string_equal(skep_cluster_why(cluster), "SKEP_POLICY=custom: no such policy");
    take(cluster, &(skep_settings){0});
    assert_int_equal(skep__settings_freeze(cluster, &skep_cluster_group(cluster)->terms), SKEP_OK);
    hatch_free(*state, &cluster);
}

/* What belongs to the instance stays what it was when that started. */
static void test_the_instance_is_frozen(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){.name = "first", .interval_ms = 1000});
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    take(cluster, &(skep_settings){.name = "second", .dir = "/elsewhere", .interval_ms = 5, .drain_timeout_ms = 5});
    assert_string_equal(skep_cluster_settings(cluster)->name, "first");
    assert_string_equal(skep_cluster_settings(cluster)->dir, pump->dir);
    assert_int_equal(skep_cluster_settings(cluster)->interval_ms, 1000);
    assert_int_equal(skep_cluster_settings(cluster)->drain_timeout_ms, 5);
    assert_string_equal(skep_cluster_name(cluster), "first");
    assert_string_equal(skep_cluster_dir(cluster), pump->dir);
    hatch_free(pump, &cluster);
}

/* --- bad --- */

static void expect_refused(skep_cluster *cluster, const skep_settings *settings, const char *why) {
    assert_int_equal(skep__settings_take(cluster, &skep_cluster_group(cluster)->terms, settings), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(cluster), why);
    assert_int_equal(skep_cluster_settings(cluster)->credit, 9); /* as before */
}

static void test_bad_values(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.credit = 9});
    char name[SKEP_MAX_NAME + 2], why[128];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(why, sizeof why, "name %s: at most 64 bytes", name);
    expect_refused(cluster, &(skep_settings){.credit = 254}, "credit 254: at most 253");
    expect_refused(cluster, &(skep_settings){.watchdog_ms = 99}, "watchdog of 99 ms: at least 100");
    expect_refused(cluster, &(skep_settings){.breaker_ms = 999}, "breaker of 999 ms: at least 1000");
    expect_refused(cluster, &(skep_settings){.failures = 4097}, "failures 4097: at most 4096");
    expect_refused(cluster, &(skep_settings){.lease_ms = 99}, "lease of 99 ms: at least 100");
    expect_refused(cluster, &(skep_settings){.attempts = 65536}, "attempts 65536: at most 65535");
    expect_refused(cluster, &(skep_settings){.deaths = 65536}, "deaths 65536: at most 65535");
    expect_refused(cluster, &(skep_settings){.job_credit = 65536}, "job_credit 65536: at most 65535");
    expect_refused(cluster, &(skep_settings){.name = name}, why);
    expect_refused(cluster, &(skep_settings){.policy = SKEP_POLICY_CUSTOM}, "the custom policy needs choose");
    name[SKEP_MAX_NAME] = '\0';
    take(cluster, &(skep_settings){.name = name, .credit = 253});
    hatch_free(*state, &cluster);
}

static void test_names_of_policies(void **state) {
    (void)state;
    enum skep_policy policy = SKEP_POLICY_CUSTOM;
    assert_int_equal(skep_policy_parse("round-robin", &policy), SKEP_OK);
    assert_int_equal(policy, SKEP_POLICY_ROUND_ROBIN);
    assert_int_equal(skep_policy_parse("sticky", &policy), SKEP_OK);
    assert_int_equal(policy, SKEP_POLICY_STICKY);
    assert_int_equal(skep_policy_parse("Sticky", &policy), SKEP_EINVAL);
    assert_int_equal(skep_policy_parse("default", &policy), SKEP_EINVAL);
    assert_int_equal(policy, SKEP_POLICY_STICKY);
    assert_string_equal(skep_policy_name(SKEP_POLICY_CUSTOM), "custom");
    assert_string_equal(skep_policy_name((enum skep_policy)99), "default");
}

static void test_variables_have_names(void **state) {
    (void)state;
    assert_true(skep__env_is_valid(NULL));
    assert_true(skep__env_is_valid((const char *const[]){"A=", "B=c=d", NULL}));
    assert_false(skep__env_is_valid((const char *const[]){"A=1", "B", NULL}));
    assert_false(skep__env_is_valid((const char *const[]){"=1", NULL}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_have_names),
        PUMP_TEST(test_defaults),
        PUMP_TEST(test_defaults_of_jobs),
        PUMP_TEST(test_values_of_jobs),
        PUMP_TEST(test_copies),
        PUMP_TEST(test_taken_from_itself),
        PUMP_TEST(test_later_calls_add_up),
        PUMP_TEST(test_numbers_are_kept),
        PUMP_TEST(test_reset),
        PUMP_TEST(test_policy_is_frozen),
        PUMP_TEST(test_policy_of_the_environment),
        PUMP_TEST(test_bad_policy_of_the_environment),
        PUMP_TEST(test_the_instance_is_frozen),
        PUMP_TEST(test_bad_values),
        cmocka_unit_test(test_names_of_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
