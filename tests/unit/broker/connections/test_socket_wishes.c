/* SPDX-License-Identifier: MIT
 * What a URL wishes of its socket: a mode, an owner, to be one that was given. */
#include "broker/sockets.h"

#include <sys/stat.h>

/* --- mode and owner --- */

static struct skep_url looked_up(const struct pump *pump, const char *rest) {
    const char *why = NULL;
    struct skep_url url = unix_url(pump, rest);
    if (skep__socket_look_up(&url, &why) != SKEP_OK) fail_msg("%s: %s", rest, why);
    return url;
}

static void expect_mode(const struct pump *pump, const char *rest, mode_t mode) {
    struct skep_url url = looked_up(pump, rest);
    struct stat st;
    int fd = bind_to(&url);
    assert_int_equal(lstat(path_of(&url), &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_true(S_ISSOCK(st.st_mode));
    assert_true(connects(&url));
    skep__socket_unlink(&url);
    close(fd);
}

/* Neither less nor more than asked for, whatever the umask. */
static void test_mode(void **state) {
    mode_t before = umask(022);
    expect_mode(*state, "plain", 0755);
    expect_mode(*state, "mode?mode=0600", 0600);
    expect_mode(*state, "mode?mode=666", 0666);
    umask(0);
    expect_mode(*state, "mode?mode=0660", 0660);
    umask(before);
}

static void test_owner(void **state) {
    struct skep_url url = looked_up(*state, "owned?owner=12345:23456&mode=0660");
    struct stat st;
    int fd = -1, status = skep__socket_bind(&url, 16, false, &fd);
    if (geteuid() != 0) { /* nothing is left behind */
        assert_int_equal(status, SKEP_EACCES);
        assert_int_equal(access(path_of(&url), F_OK), -1);
        return;
    }
    assert_int_equal(status, SKEP_OK);
    assert_int_equal(lstat(path_of(&url), &st), 0);
    assert_int_equal(st.st_uid, 12345);
    assert_int_equal(st.st_gid, 23456);
    assert_int_equal(st.st_mode & 07777, 0660);
    skep__socket_unlink(&url);
    close(fd);
}

static void expect_owner(const struct pump *pump, const char *rest, uid_t uid, gid_t gid) {
    struct skep_url url = looked_up(pump, rest);
    assert_int_equal(url.uid, uid);
    assert_int_equal(url.gid, gid);
}

static void expect_not_looked_up(struct skep_url url, const char *reason) {
    const char *why = "";
    assert_int_equal(skep__socket_look_up(&url, &why), SKEP_EURL);
    assert_non_null(strstr(why, reason));
}

static void test_names_of_owners(void **state) {
    expect_owner(*state, "x?owner=root", 0, (gid_t)-1);
    expect_owner(*state, "x?owner=:root", (uid_t)-1, 0);
    expect_owner(*state, "x?owner=daemon:7", 1, 7);
    expect_not_looked_up(unix_url(*state, "x?owner=no-such-user"), "no such user");
    expect_not_looked_up(unix_url(*state, "x?owner=4294967295"), "no such user");
    expect_not_looked_up(unix_url(*state, "x?owner=root:no-such-group"), "no such group");
    expect_not_looked_up(unix_url(*state, "x?owner=root:"), "no such group");
}

/* --- descriptors that were given --- */

static struct skep_url url_of_fd(int fd) {
    char text[24];
    snprintf(text, sizeof text, "fd://%d", fd);
    return parse(text);
}

/* The copy listens where it was bound; closing it leaves the one that was given, and its path. */
static void check_given(const struct skep_url *bound, int fd) {
    struct skep_url url = url_of_fd(fd);
    const char *why = NULL;
    int copy = -1;
    assert_int_equal(skep__socket_look_up(&url, &why), SKEP_OK);
    assert_int_equal(url.address_size_bytes, bound->address_size_bytes);
    assert_memory_equal(&url.address, &bound->address, url.address_size_bytes);
    assert_int_equal(url.any, bound->any);
    assert_int_equal(skep__socket_bind(&url, 16, false, &copy), SKEP_OK);
    assert_int_not_equal(copy, fd);
    expect_listening(copy, &url);
    assert_true(connects(&url));
    skep__socket_turn_away(copy, &url);
    skep__socket_unlink(&url);
    close(copy);
    assert_true(connects(&url));
}

static void test_given(void **state) {
    static const char *const texts[] = {"tcp://127.0.0.1:0", "tcp://[::1]:0", "tcp://*:0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct skep_url bound = parse(texts[i]);
        int fd = bind_to(&bound);
        check_given(&bound, fd);
        close(fd);
    }
    struct skep_url path = unix_url(*state, "given");
    int fd = bind_to(&path);
    check_given(&path, fd);
    skep__socket_unlink(&path);
    close(fd);
}

static void test_what_cannot_be_given(void **state) {
    (void)state;
    int ends[2], datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int unbound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    expect_not_looked_up(url_of_fd(datagrams), "no stream socket");
    expect_not_looked_up(url_of_fd(999999), "no stream socket");
    expect_not_looked_up(url_of_fd(unbound), "not bound");
    expect_not_looked_up(url_of_fd(ends[0]), "connection");
    close(datagrams);
    close(unbound);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_mode),
        PUMP_TEST(test_owner),
        PUMP_TEST(test_names_of_owners),
        PUMP_TEST(test_given),
        cmocka_unit_test(test_what_cannot_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
