/* SPDX-License-Identifier: MIT
 * Settings that there is no memory to copy: that is an error, never another setting, and those of before stay. */
#include "broker/hatch.h"
#include "scarce.h"

#include "config/settings.h"

enum { MOST_ALLOCATIONS = 100 };

static unsigned left; /* allocations that there is memory for */

static bool has_some(size_t size_bytes) {
    (void)size_bytes;
    return left > 0 && left-- > 0;
}

/* Sets the settings up again and again, each time with memory for one thing more, until there is enough. Returns how
 * often there was not. */
static unsigned starve(skep_cluster *cluster, const skep_settings *settings,
                       int set_up(skep_cluster *cluster, const skep_settings *settings)) {
    for (unsigned allocations = 0; allocations < MOST_ALLOCATIONS; allocations++) {
        left = allocations;
        scarce_has = has_some;
        int status = set_up(cluster, settings);
        scarce_has = NULL;
        if (status == SKEP_OK) return allocations;
        assert_int_equal(status, SKEP_ENOMEM);
        assert_string_equal(skep_cluster_why(cluster), "settings: out of memory");
        const skep_settings *now = skep_cluster_settings(cluster);
        assert_string_equal(now->exec, "before");
        assert_string_equal(now->args[0], "one");
        assert_string_equal(now->args[1], "two");
        assert_string_equal(now->env[0], "A=1");
        assert_string_equal(now->name, "first");
        assert_int_equal(now->stdio[1], 5);
        assert_int_equal(now->extra_stdio[0], 7);
        assert_int_equal(now->lease_ms, 500);
    }
    fail_msg("never enough memory");
    return 0;
}

static skep_settings full(const char *exec) {
    static const char *const args[] = {"one", "two", NULL}, *const env[] = {"A=1", "B=2", NULL};
    static const int stdio[] = {4, 5, 6}, extra[] = {7};
    return (skep_settings){.exec = exec,
                           .args = args,
                           .cwd = "/",
                           .env = env,
                           .name = "first",
                           .dir = "/folder",
                           .group = "web",
                           .stdio = stdio,
                           .extra_stdio = extra,
                           .extra_count = 1,
                           .lease_ms = 500};
}

/* What was set before is copied once more. */
static void test_a_change(void **state) {
    skep_settings settings = full("before");
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    assert_int_equal(skep_setup_primary(cluster, &settings), SKEP_OK);
    assert_true(starve(cluster, &(skep_settings){.exec = "after", .lease_ms = 600}, skep_setup_primary) >= 13);
    assert_string_equal(skep_cluster_settings(cluster)->exec, "after");
    assert_string_equal(skep_cluster_settings(cluster)->args[1], "two");
    assert_string_equal(skep_cluster_settings(cluster)->dir, "/folder");
    assert_int_equal(skep_cluster_settings(cluster)->lease_ms, 600);
    hatch_free(*state, &cluster);
}

/* This program and its arguments are copied, too. */
static void test_the_defaults(void **state) {
    skep_settings settings = full("before");
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    assert_int_equal(skep_setup_primary(cluster, &settings), SKEP_OK);
    assert_true(starve(cluster, &(skep_settings){0}, skep_reset_primary) >= 4);
    assert_null(skep_cluster_settings(cluster)->args[0]);
    assert_null(skep_cluster_settings(cluster)->dir);
    hatch_free(*state, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_change),
        PUMP_TEST(test_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
