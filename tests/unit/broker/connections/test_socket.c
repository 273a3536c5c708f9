/* SPDX-License-Identifier: MIT
 * Listening sockets of each kind, and addresses that are taken, stale or none. */
#include "broker/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>

static void expect_refused(const char *text, int status) {
    struct skep_url url = parse(text), before = url;
    int fd = -2;
    assert_int_equal(skep__socket_bind(&url, 16, false, &fd), status);
    assert_int_equal(fd, -2);
    assert_memory_equal(&url, &before, sizeof url);
}

static unsigned port_of(const struct skep_url *url) {
    if (url->address.ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)&url->address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)&url->address)->sin_port);
}

static bool connects_to(const char *format, unsigned port) {
    char text[64];
    snprintf(text, sizeof text, format, port);
    struct skep_url url = parse(text);
    return connects(&url);
}

/* --- TCP --- */

static void test_ipv4(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://127.0.0.1:0");
    int fd = bind_to(&url);
    expect_listening(fd, &url);
    assert_true(port_of(&url) > 0);
    assert_true(connects_to("tcp://127.0.0.1:%u", port_of(&url)));
    assert_false(connects_to("tcp://[::1]:%u", port_of(&url)));
    close(fd);
}

static void test_ipv6(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://[::1]:0");
    int fd = bind_to(&url);
    expect_listening(fd, &url);
    assert_true(connects_to("tcp://[::1]:%u", port_of(&url)));
    assert_false(connects_to("tcp://127.0.0.1:%u", port_of(&url)));
    close(fd);
}

/* [::] is IPv6 alone, as it was written. */
static void test_every_ipv6_address(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://[::]:0");
    int fd = bind_to(&url);
    assert_true(connects_to("tcp://[::1]:%u", port_of(&url)));
    assert_false(connects_to("tcp://127.0.0.1:%u", port_of(&url)));
    close(fd);
}

static void test_every_address(void **state) {
    static const char *const texts[] = {"tcp://*:0", "tcp://:0"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct skep_url url = parse(texts[i]);
        int fd = bind_to(&url);
        expect_listening(fd, &url);
        assert_true(url.any);
        assert_true(connects_to("tcp://[::1]:%u", port_of(&url)));
        assert_true(connects_to("tcp://127.0.0.1:%u", port_of(&url)));
        close(fd);
    }
}

/* What is accepted has TCP_NODELAY too. */
static void test_no_delay_is_inherited(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://127.0.0.1:0");
    int fd = bind_to(&url);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_true(connects(&url));
    assert_int_equal(poll(&poll_fd, 1, 1000), 1);
    int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_not_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 0);
    close(accepted);
    close(fd);
}

static void test_taken(void **state) {
    (void)state;
    char text[64];
    struct skep_url url = parse("tcp://127.0.0.1:0");
    int fd = bind_to(&url);
    snprintf(text, sizeof text, "tcp://127.0.0.1:%u", port_of(&url));
    expect_refused(text, SKEP_EADDRINUSE);
    snprintf(text, sizeof text, "tcp://*:%u", port_of(&url));
    expect_refused(text, SKEP_EADDRINUSE);
    close(fd);
    struct skep_url again = url;
    fd = bind_to(&again);
    assert_int_equal(port_of(&again), port_of(&url));
    close(fd);
}

static void test_no_such_address(void **state) {
    (void)state;
    expect_refused("tcp://192.0.2.1:0", SKEP_EADDR);
    expect_refused("unix:///no/such/folder/socket", SKEP_EADDR);
}

/* --- several sockets on one port --- */

static void test_again(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://127.0.0.1:0");
    int first = -1, second = -1, third = -1;
    assert_int_equal(skep__socket_bind(&url, 16, true, &first), SKEP_OK);
    assert_int_not_equal(option(first, SOL_SOCKET, SO_REUSEPORT), 0);
    assert_int_equal(skep__socket_again(&url, 16, &second), SKEP_OK);
    assert_int_equal(
        skep__socket_bind(&(struct skep_url){.address = url.address, .address_size_bytes = url.address_size_bytes}, 16,
                          false, &third),
        SKEP_EADDRINUSE);
    close(first);
    assert_true(connects(&url));
    close(second);
    assert_false(connects(&url));
}

/* --- Unix --- */

static void test_a_path(void **state) {
    struct skep_url url = unix_url(*state, "here");
    int fd = bind_to(&url);
    expect_listening(fd, &url);
    assert_true(connects(&url));
    int second = -1;
    struct skep_url again = url;
    assert_int_equal(skep__socket_bind(&again, 16, false, &second), SKEP_EADDRINUSE);
    assert_true(connects(&url));
    skep__socket_unlink(&url);
    assert_int_equal(access(path_of(&url), F_OK), -1);
    close(fd);
}

/* The owner of a path was killed: nobody answers there. */
static void test_a_stale_path(void **state) {
    struct skep_url url = unix_url(*state, "stale");
    close(bind_to(&url));
    assert_int_equal(access(path_of(&url), F_OK), 0);
    assert_false(connects(&url));
    int fd = bind_to(&url);
    assert_true(connects(&url));
    close(fd);
}

/* An owner that has no room for more callers is an owner all the same. */
static void test_a_path_with_a_full_backlog(void **state) {
    struct skep_url url = unix_url(*state, "busy"), again = url;
    int callers[64], count = 0, second = -1, fd = -1;
    assert_int_equal(skep__socket_bind(&url, 1, false, &fd), SKEP_OK);
    for (bool connected = true; connected && count < 64; count++) {
        callers[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connected = connect(callers[count], (const struct sockaddr *)&url.address, url.address_size_bytes) == 0;
    }
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(skep__socket_bind(&again, 16, false, &second), SKEP_EADDRINUSE);
    assert_int_equal(access(path_of(&url), F_OK), 0);
    while (count > 0) close(callers[--count]);
    close(fd);
}

/* Something else is there: it is left alone. */
static void test_a_path_that_is_no_socket(void **state) {
    const struct pump *pump = *state;
    struct skep_url url = unix_url(pump, "file");
    struct stat st;
    int fd = open(path_of(&url), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), bound = -1;
    assert_int_equal(write(fd, "mine", 4), 4);
    close(fd);
    assert_int_equal(skep__socket_bind(&url, 16, false, &bound), SKEP_EADDRINUSE);
    assert_int_equal(stat(path_of(&url), &st), 0);
    assert_int_equal(st.st_size, 4);
}

static void test_unlink_of_tcp_does_nothing(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://127.0.0.1:0");
    skep__socket_unlink(&url);
}

/* --- no more guests --- */

/* Who was there can still be accepted; who comes is neither let in nor reset. */
static void test_turned_away(void **state) {
    (void)state;
    struct skep_url url = parse("tcp://127.0.0.1:0");
    int fd = bind_to(&url), early = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(early, (const struct sockaddr *)&url.address, url.address_size_bytes), 0);
    skep__socket_turn_away(fd, &url);
    assert_int_equal(connect(late, (const struct sockaddr *)&url.address, url.address_size_bytes), -1);
    assert_int_equal(errno, EINPROGRESS);
    struct pollfd poll_fd = {.fd = late, .events = POLLOUT};
    assert_int_equal(poll(&poll_fd, 1, 50), 0);
    int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    close(accepted);
    close(early);
    close(late);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_every_ipv6_address),
        cmocka_unit_test(test_every_address),
        cmocka_unit_test(test_no_delay_is_inherited),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_no_such_address),
        cmocka_unit_test(test_again),
        PUMP_TEST(test_a_path),
        PUMP_TEST(test_a_stale_path),
        PUMP_TEST(test_a_path_with_a_full_backlog),
        PUMP_TEST(test_a_path_that_is_no_socket),
        cmocka_unit_test(test_unlink_of_tcp_does_nothing),
        cmocka_unit_test(test_turned_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
