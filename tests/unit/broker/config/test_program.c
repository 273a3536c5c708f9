/* SPDX-License-Identifier: MIT
 * What workers are started from: a reload's changes come on top of the settings, and take their place when it is done.
 */
#include "broker/hatch.h"

#include "config/config.h"

static void expect_env(const struct skep__program *program, const char *const *wanted) {
    size_t i = 0;
    for (; wanted[i] != NULL; i++) {
        assert_non_null(program->env[i]);
        assert_string_equal(program->env[i], wanted[i]);
    }
    assert_null(program->env[i]);
}

static struct skep__program change(const skep_cluster *cluster, const skep_reload_options *options) {
    struct skep__program program, before = skep__program_of(skep_cluster_settings(cluster));
    assert_int_equal(skep__program_changed(&program, &before, options), SKEP_OK);
    return program;
}

/* Of a reload that follows another one only what was asked for is known. */
static void test_one_change_upon_another(void **state) {
    static const char *const first[] = {"A=1", "B=2", NULL}, *const second[] = {"B=3", NULL};
    const skep_reload_options one = {.cwd = "/tmp", .env = first}, other = {.exec = "x", .env = second};
    struct skep__program program = {.exec = NULL}, next;
    (void)state;
    assert_int_equal(skep__program_changed(&program, &program, &one), SKEP_OK);
    assert_null(program.exec);
    assert_null(program.args);
    assert_int_equal(skep__program_changed(&next, &program, &other), SKEP_OK);
    skep__program_free(&program);
    assert_string_equal(next.exec, "x");
    assert_string_equal(next.cwd, "/tmp");
    expect_env(&next, (const char *const[]){"A=1", "B=3", NULL});
    skep__program_free(&next);
}

static void test_nothing_changes(void **state) {
    const skep_reload_options nothing = {0};
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.exec = "x", .cwd = "/tmp", .uid = 5, .umask = 022});
    struct skep__program program;
    program = change(cluster, &nothing);
    assert_string_equal(program.exec, "x");
    assert_string_equal(program.cwd, "/tmp");
    assert_false(program.set_ids || program.set_umask);
    expect_env(&program, (const char *const[]){NULL});
    skep__program_free(&program);
    hatch_free(*state, &cluster);
}

/* Of two of one name the later counts, as for setenv. */
static void test_environment_is_joined(void **state) {
    static const char *const old[] = {"A=1", "B=2", "AB=3", "B=4", NULL}, *const new[] = {"A=", "C=5", NULL};
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.env = old});
    struct skep__program program;
    const skep_reload_options options = {.env = new};
    program = change(cluster, &options);
    expect_env(&program, (const char *const[]){"AB=3", "B=4", "A=", "C=5", NULL});
    skep__program_free(&program);
    hatch_free(*state, &cluster);
}

static void test_adopted(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, &(skep_settings){.exec = "old"});
    struct skep__program program;
    const skep_reload_options options = {
        .exec = "new", .cwd = "/", .set_ids = true, .uid = 7, .gid = 8, .set_umask = true, .umask = 027};
    program = change(cluster, &options);
    skep__program_adopt(&program, &cluster->settings);
    const skep_settings *s = skep_cluster_settings(cluster);
    assert_string_equal(s->exec, "new");
    assert_string_equal(s->cwd, "/");
    assert_true(s->set_ids && s->uid == 7 && s->gid == 8 && s->set_umask && s->umask == 027);
    assert_string_equal(program.exec, "old");
    skep__program_free(&program);
    hatch_free(*state, &cluster);
}

/* The second reload does what the first asked for, unless it overrides that. */
static void test_what_was_asked_for_is_kept(void **state) {
    (void)state;
    const char *const args[] = {"-n", "1", NULL}, *const more_args[] = {"-n", NULL}, *const env[] = {"A=1", NULL},
                      *const more_env[] = {"B=2", "A=1", NULL}, *const other_env[] = {"A=2", NULL};
    const struct skep__program nothing = {0}, all = {.exec = "x",
                                                     .args = args,
                                                     .cwd = "/",
                                                     .env = more_env,
                                                     .set_ids = true,
                                                     .uid = 1,
                                                     .gid = 2,
                                                     .set_umask = true,
                                                     .umask = 022};
    const struct skep__program kept[] = {nothing,
                                         all,
                                         {.exec = "x"},
                                         {.args = args},
                                         {.cwd = "/"},
                                         {.env = env},
                                         {.set_ids = true, .uid = 1, .gid = 2},
                                         {.set_umask = true, .umask = 022}};
    const struct skep__program lost[] = {{.exec = "y"},
                                         {.args = more_args},
                                         {.cwd = "/tmp"},
                                         {.env = other_env},
                                         {.set_ids = true, .uid = 2, .gid = 2},
                                         {.set_ids = true, .uid = 1},
                                         {.set_umask = true}};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) assert_true(skep__program_keeps(&all, &kept[i]));
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        assert_false(skep__program_keeps(&all, &lost[i]));
        assert_false(skep__program_keeps(&nothing, &lost[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_change_upon_another),
        PUMP_TEST(test_nothing_changes),
        PUMP_TEST(test_environment_is_joined),
        PUMP_TEST(test_adopted),
        cmocka_unit_test(test_what_was_asked_for_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
