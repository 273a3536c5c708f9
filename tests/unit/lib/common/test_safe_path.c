/* SPDX-License-Identifier: MIT
 * Paths that others could exchange are refused, wherever on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/safe_path.h"

static char top[32]; /* holds a/b/c, and whatever a test puts there */

static const char *below(const char *path) {
    static char text[4][96];
    static unsigned next;
    char *out = text[next++ % 4];
    snprintf(out, sizeof text[0], "%s/%s", top, path);
    return out;
}

static int make(void **state) {
    (void)state;
    snprintf(top, sizeof top, "/tmp/skep-path-XXXXXX");
    if (mkdtemp(top) == NULL) return -1;
    return mkdir(below("a"), 0755) | mkdir(below("a/b"), 0755) | mkdir(below("a/b/c"), 0700);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *place) {
    (void)st, (void)flag, (void)place;
    return remove(path);
}

static int unmake(void **state) {
    (void)state;
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void expect_safe(const char *path) {
    char why[SKEP_MAX_REASON + 1] = "";
    if (skep__safe_path(path, geteuid(), why) != SKEP_OK) fail_msg("%s: %s", path, why);
}

static void expect_refused(const char *path, const char *format, const char *culprit) {
    char why[SKEP_MAX_REASON + 1] = "", expected[200];
    snprintf(expected, sizeof expected, format, culprit);
    assert_int_equal(skep__safe_path(path, geteuid(), why), SKEP_EDIR);
    assert_string_equal(why, expected);
}

static void test_own(void **state) {
    (void)state;
    expect_safe(below("a/b/c"));
    expect_safe(below("a/./b//../b/c/"));
    expect_safe(below("a/missing/part"));
    expect_safe("/");
}

static void test_relative(void **state) {
    (void)state;
    char before[256];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(below("a")), 0);
    expect_safe("b/c");
    assert_int_equal(chmod(top, 0777), 0);
    expect_refused("b/c", "others may write to %s", top);
    assert_int_equal(chdir(before), 0);
}

static void test_others_may_write(void **state) {
    (void)state;
    assert_int_equal(chmod(below("a"), 0757), 0);
    expect_refused(below("a/b/c"), "others may write to %s", below("a"));
    expect_refused(below("a/missing"), "others may write to %s", below("a"));
    assert_int_equal(chmod(below("a"), 01777), 0); /* nobody removes or renames what is another's */
    expect_safe(below("a/b/c"));
}

static void test_a_group_may_write(void **state) {
    (void)state;
    if (geteuid() != 0) skip();
    assert_int_equal(chown(below("a"), 0, 65533), 0);
    assert_int_equal(chmod(below("a"), 0775), 0);
    expect_refused(below("a/b/c"), "others may write to %s", below("a"));
    assert_int_equal(chown(below("a"), 0, 0), 0); /* the owner's own group */
    expect_safe(below("a/b/c"));
}

static void test_somebody_elses(void **state) {
    (void)state;
    if (geteuid() != 0) skip();
    assert_int_equal(chown(below("a"), 65534, 65534), 0);
    expect_refused(below("a/b/c"), "%s belongs to another user", below("a"));
    char why[SKEP_MAX_REASON + 1];
    assert_int_equal(skep__safe_path(below("a/b/c"), 65534, why), SKEP_OK); /* its owner, and root */
}

static void test_links(void **state) {
    (void)state;
    assert_int_equal(symlink("a/b", below("relative")), 0);
    assert_int_equal(symlink(below("a"), below("absolute")), 0);
    assert_int_equal(symlink("loop", below("loop")), 0);
    expect_safe(below("relative/c"));
    expect_safe(below("absolute/b/c"));
    expect_refused(below("loop/c"), "%s: Too many levels of symbolic links", top);
    assert_int_equal(chmod(below("a"), 0777), 0);
    expect_refused(below("relative/c"), "others may write to %s", below("a"));
    expect_refused(below("absolute/b/c"), "others may write to %s", below("a"));
}

static void test_planted_link(void **state) {
    (void)state;
    if (geteuid() != 0) skip();
    assert_int_equal(symlink("a/b", below("planted")), 0);
    assert_int_equal(lchown(below("planted"), 65534, 65534), 0);
    expect_refused(below("planted/c"), "%s belongs to another user", below("planted"));
    expect_refused(below("planted"), "%s belongs to another user", below("planted"));
}

static void test_no_directory(void **state) {
    (void)state;
    assert_int_equal(mkfifo(below("fifo"), 0600), 0);
    expect_refused(below("fifo/c"), "%s is not a directory", below("fifo"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own, make, unmake),
        cmocka_unit_test_setup_teardown(test_relative, make, unmake),
        cmocka_unit_test_setup_teardown(test_others_may_write, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_group_may_write, make, unmake),
        cmocka_unit_test_setup_teardown(test_somebody_elses, make, unmake),
        cmocka_unit_test_setup_teardown(test_links, make, unmake),
        cmocka_unit_test_setup_teardown(test_planted_link, make, unmake),
        cmocka_unit_test_setup_teardown(test_no_directory, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
