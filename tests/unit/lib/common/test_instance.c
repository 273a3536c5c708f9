/* SPDX-License-Identifier: MIT
 * Instances: where their directory is, and whether a broker owns it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/instance.h"

/* --- where --- */

static int clear_environment(void **state) {
    (void)state;
    unsetenv(SKEP_ENV_DIR);
    unsetenv("XDG_RUNTIME_DIR");
    return 0;
}

static void expect_dir(const char *dir, const char *name, const char *expected) {
    char out[SKEP_MAX_DIR + 1];
    const char *why = NULL;
    int status = skep__instance_dir(dir, name, out, &why);
    if (status != SKEP_OK) fail_msg("%s", why);
    assert_string_equal(out, expected);
}

static void expect_no_dir(const char *dir, const char *name, const char *reason) {
    char out[SKEP_MAX_DIR + 1] = "untouched";
    const char *why = NULL;
    assert_int_equal(skep__instance_dir(dir, name, out, &why), SKEP_EDIR);
    assert_string_equal(why, reason);
    assert_string_equal(out, "untouched");
}

static void test_defaults(void **state) {
    (void)state;
    char expected[64];
    if (geteuid() == 0) snprintf(expected, sizeof expected, "/run/skep/n");
    else snprintf(expected, sizeof expected, "/tmp/skep-%u/n", (unsigned)geteuid());
    expect_dir(NULL, "n", expected);
    expect_dir("", "n", expected);
    setenv("XDG_RUNTIME_DIR", "", 1);
    expect_dir(NULL, "n", expected);
}

/* Each goes before the next. */
static void test_order(void **state) {
    (void)state;
    setenv("XDG_RUNTIME_DIR", "/xdg", 1);
    expect_dir(NULL, "n", "/xdg/skep/n");
    setenv(SKEP_ENV_DIR, "/env", 1);
    expect_dir(NULL, "n", "/env");
    expect_dir("/given", "n", "/given");
    setenv(SKEP_ENV_DIR, "", 1);
    expect_dir(NULL, "n", "/xdg/skep/n");
}

static void test_names(void **state) {
    (void)state;
    const char *reason = "the name must not be empty, begin with a dot or contain a slash";
    expect_no_dir(NULL, "", reason);
    expect_no_dir(NULL, NULL, reason);
    expect_no_dir(NULL, ".hidden", reason);
    expect_no_dir(NULL, "..", reason);
    expect_no_dir(NULL, "a/b", reason);
    expect_dir("/given", "", "/given"); /* where the directory is given, the name does not matter */
}

static void test_length(void **state) {
    (void)state;
    char path[SKEP_MAX_DIR + 2];
    memset(path, 'd', sizeof path);
    path[0] = '/';
    path[SKEP_MAX_DIR] = '\0';
    expect_dir(path, "n", path);
    path[SKEP_MAX_DIR] = 'd';
    path[SKEP_MAX_DIR + 1] = '\0';
    expect_no_dir(path, "n", "its path is longer than 76 bytes");
    setenv("XDG_RUNTIME_DIR", path, 1);
    expect_no_dir(NULL, "n", "its path is longer than 76 bytes");
}

/* --- who --- */

struct place {
    char dir[48];
    char lock[64];
    int fd; /* of the lock file; -1 */
};

static int make_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    if (place == NULL) return -1;
    place->fd = -1;
    snprintf(place->dir, sizeof place->dir, "/tmp/skep-test-XXXXXX");
    if (mkdtemp(place->dir) == NULL) return -1;
    snprintf(place->lock, sizeof place->lock, "%s/lock", place->dir);
    *state = place;
    return 0;
}

static int remove_place(void **state) {
    struct place *place = *state;
    if (place->fd >= 0) close(place->fd);
    unlink(place->lock);
    rmdir(place->dir);
    free(place);
    return 0;
}

static void write_lock(struct place *place, const char *text, bool held) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (place->fd >= 0) close(place->fd);
    place->fd = open(place->lock, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(place->fd >= 0);
    assert_int_equal(write(place->fd, text, strlen(text)), strlen(text));
    if (held) assert_int_equal(fcntl(place->fd, F_OFD_SETLK, &lock), 0);
}

static void test_nobody(void **state) {
    struct place *place = *state;
    struct skep__instance instance = {.pid = 1};
    assert_int_equal(skep__instance_find("/no/such/directory", &instance), SKEP_ENOBROKER);
    assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_ENOBROKER);
    write_lock(place, "4711 3 name\n", false);
    assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_ENOBROKER);
    assert_int_equal(instance.pid, 1);
}

static void test_somebody(void **state) {
    struct place *place = *state;
    struct skep__instance instance;
    char url[128], expected[128];
    write_lock(place, "4711 3 a name\n", true);
    assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_OK);
    assert_int_equal(instance.pid, 4711);
    assert_int_equal(instance.generation, 3);
    assert_string_equal(instance.name, "a name");
    assert_string_equal(instance.dir, place->dir);
    skep__instance_url(&instance, SKEP_FILE_CONTROL, url, sizeof url);
    snprintf(expected, sizeof expected, "ipc://%s/control.3", place->dir);
    assert_string_equal(url, expected);
}

/* Looking takes no lock: a broker may start at that very moment. */
static void test_looking_disturbs_nobody(void **state) {
    struct place *place = *state;
    struct skep__instance instance;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    write_lock(place, "4711 3 name\n", false);
    assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_ENOBROKER);
    assert_int_equal(fcntl(place->fd, F_OFD_SETLK, &lock), 0);
    assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_OK);
}

static void test_nonsense(void **state) {
    struct place *place = *state;
    struct skep__instance instance;
    static const char *const texts[] = {"", "\n", "nonsense", "4711", "4711 3", "4711 3 \n", "x 3 name\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_lock(place, texts[i], true);
        assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_ENOBROKER);
    }
}

static void expect_disbelief(const struct place *place, int expected, const char *reason) {
    struct skep__instance instance = {.pid = 1};
    char why[SKEP_MAX_REASON + 1];
    assert_int_equal(skep__instance_find_or_say(place->dir, &instance, why), expected);
    assert_string_equal(why, reason);
    assert_int_equal(instance.pid, 1);
}

/* Nobody is held up by what somebody has put there. */
static void test_no_file(void **state) {
    struct place *place = *state;
    assert_int_equal(mkfifo(place->lock, 0600), 0);
    expect_disbelief(place, SKEP_EDIR, "its lock is not a file of its owner");
    unlink(place->lock);
    assert_int_equal(symlink("/dev/null", place->lock), 0);
    expect_disbelief(place, SKEP_EDIR, "its lock is not a file of its owner");
}

static void test_somebody_else(void **state) {
    struct place *place = *state;
    struct skep__instance instance;
    char why[160];
    write_lock(place, "4711 3 name\n", true);
    snprintf(why, sizeof why, "others may write to %s", place->dir);
    assert_int_equal(chmod(place->dir, 0777), 0);
    expect_disbelief(place, SKEP_EDIR, why);
    assert_int_equal(chmod(place->dir, 0700), 0);
    if (geteuid() != 0) return;
    assert_int_equal(chown(place->lock, 65533, 65533), 0);
    expect_disbelief(place, SKEP_EDIR, "its lock is not a file of its owner");
    assert_int_equal(chown(place->lock, 65534, 65534), 0);
    assert_int_equal(chown(place->dir, 65534, 65534), 0);
    assert_int_equal(skep__instance_find(place->dir, &instance), SKEP_OK); /* to root all are open */
    assert_int_equal(seteuid(65533), 0);
    expect_disbelief(place, SKEP_EACCES, "it belongs to another user");
    assert_int_equal(seteuid(0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clear_environment),
        cmocka_unit_test_setup(test_order, clear_environment),
        cmocka_unit_test_setup(test_names, clear_environment),
        cmocka_unit_test_setup(test_length, clear_environment),
        cmocka_unit_test_setup_teardown(test_nobody, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_somebody, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_looking_disturbs_nobody, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_nonsense, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_no_file, make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_somebody_else, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
