/* SPDX-License-Identifier: MIT
 * Descriptors that a worker has besides its stdio. */
#include "serve.h"

#include <fcntl.h>

enum { MOST = 64 };

/* Tells what each of its descriptors from the first extra one on is. */
static void tell_all(skep_worker *worker) {
    for (int fd = SKEP_EXTRA_FD; fd < SKEP_EXTRA_FD + MOST; fd++) {
        char name[32], target[256] = "", line[300];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (fcntl(fd, F_GETFD) < 0) continue;
        if (readlink(name, target, sizeof target - 1) < 0) continue;
        if (strncmp(target, "/tmp/", 5) != 0 && strcmp(target, "/dev/null") != 0) continue; /* the library's own */
        snprintf(line, sizeof line, "%d %s%s", fd, target, fcntl(fd, F_GETFD) == 0 ? "" : " closed on exec");
        role_tell(worker, "has", line);
    }
    role_tell(worker, "end", "");
}

static const struct role roles[] = {{"tell", tell_all}, {NULL, NULL}};

static int create(const struct hive *hive, char name, char path[64]) {
    snprintf(path, 64, "%s-%c", hive->dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void expect_has(struct hive *hive, uint32_t id, unsigned count, int fd, const char *path) {
    char line[128];
    bool found = false;
    HIVE_UNTIL(hive, hive_messages(hive, id, "end") == 1);
    assert_int_equal(hive_messages(hive, id, "has"), count);
    snprintf(line, sizeof line, "%d %s", fd, path);
    for (size_t i = 0; i < hive->count; i++) found = found || strcmp(hive->log[i].text, line) == 0;
    if (!found) fail_msg("worker %u has no %s", id, line);
}

/* Whatever numbers they have here, they may be those that others get. */
static void test_extra_descriptors(void **state) {
    struct hive *hive = *state;
    char a[64], b[64];
    int fd_a = create(hive, 'a', a), fd_b = create(hive, 'b', b);
    assert_int_equal(dup3(fd_a, 40, O_CLOEXEC), 40);
    hive_start(hive, &(skep_settings){.extra_stdio = (const int[]){fd_b, -1, 40, fd_b}, .extra_count = 4});
    hive_fork(hive, "tell", NULL);
    expect_has(hive, 1, 4, SKEP_EXTRA_FD, b);
    expect_has(hive, 1, 4, SKEP_EXTRA_FD + 1, "/dev/null");
    expect_has(hive, 1, 4, SKEP_EXTRA_FD + 2, a);
    expect_has(hive, 1, 4, SKEP_EXTRA_FD + 3, b);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.respawn = true}), SKEP_OK);
    hive_fork(hive, "tell", NULL);
    expect_has(hive, 2, 4, SKEP_EXTRA_FD, b);
    assert_int_equal(skep_reset_primary(hive->cluster, &(skep_settings){.extra_count = 7}), SKEP_OK);
    hive_fork(hive, "tell", NULL);
    HIVE_UNTIL(hive, hive_messages(hive, 3, "end") == 1);
    assert_int_equal(hive_messages(hive, 3, "has"), 0);
    close(40);
    close(fd_a);
    close(fd_b);
    unlink(a);
    unlink(b);
}

static void test_the_most(void **state) {
    struct hive *hive = *state;
    char a[64];
    int fds[MOST + 1], fd = create(hive, 'a', a);
    for (unsigned i = 0; i <= MOST; i++) fds[i] = fd;
    hive_start(hive, NULL);
    skep_settings settings = {.extra_stdio = fds, .extra_count = MOST + 1};
    assert_int_equal(skep_setup_primary(hive->cluster, &settings), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(hive->cluster), "65 descriptors besides stdio: at most 64");
    settings.extra_count = MOST;
    assert_int_equal(skep_setup_primary(hive->cluster, &settings), SKEP_OK);
    hive_fork(hive, "tell", NULL);
    expect_has(hive, 1, MOST, SKEP_EXTRA_FD + MOST - 1, a);
    settings.extra_stdio = (const int[]){9999};
    settings.extra_count = 1;
    assert_int_equal(skep_setup_primary(hive->cluster, &settings), SKEP_OK);
    assert_int_equal(skep_fork(hive->cluster, NULL, NULL), SKEP_ESYS);
    close(fd);
    unlink(a);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {HIVE_TEST(test_extra_descriptors), HIVE_TEST(test_the_most)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
