/* SPDX-License-Identifier: MIT
 * The link: messages keep their bounds, descriptors travel with them, and an end is an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/link.h"

struct ends {
    int a, b;
    struct skep__link_message message;
};

static int setup(void **state) {
    struct ends *ends = calloc(1, sizeof *ends);
    int fds[2];
    if (ends == NULL || skep__link_pair(fds) != SKEP_OK) return -1;
    ends->a = fds[0];
    ends->b = fds[1];
    *state = ends;
    return 0;
}

static int teardown(void **state) {
    struct ends *ends = *state;
    if (ends->a >= 0) close(ends->a);
    if (ends->b >= 0) close(ends->b);
    free(ends);
    return 0;
}

static void expect(struct ends *ends, const char *text) {
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_OK);
    assert_int_equal(ends->message.size_bytes, strlen(text));
    assert_memory_equal(ends->message.data, text, strlen(text));
    assert_false(ends->message.truncated);
}

static void say(const struct ends *ends, const char *text) {
    assert_int_equal(skep__link_send(ends->a, text, strlen(text), NULL, 0), SKEP_OK);
}

static void test_kind_of_descriptors(void **state) {
    const struct ends *ends = *state;
    int type = 0;
    socklen_t size_bytes = sizeof type;
    assert_int_equal(getsockopt(ends->a, SOL_SOCKET, SO_TYPE, &type, &size_bytes), 0);
    assert_int_equal(type, SOCK_SEQPACKET);
    assert_true(fcntl(ends->a, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(ends->b, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(ends->a, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(ends->b, F_GETFD) & FD_CLOEXEC);
}

static void test_messages_keep_their_bounds(void **state) {
    struct ends *ends = *state;
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_EAGAIN);
    say(ends, "one");
    say(ends, "three");
    expect(ends, "one");
    assert_int_equal(ends->message.fd_count, 0);
    expect(ends, "three");
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_EAGAIN);
}

/* --- descriptors --- */

static bool is_same_file(int a, int b) {
    struct stat of_a, of_b;
    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_ino == of_b.st_ino && of_a.st_dev == of_b.st_dev;
}

static void close_all(const int *fds, unsigned count) {
    for (unsigned i = 0; i < count; i++) close(fds[i]);
}

static void test_descriptors_arrive_in_order(void **state) {
    struct ends *ends = *state;
    int fds[SKEP_MAX_BATCH];
    for (unsigned i = 0; i < SKEP_MAX_BATCH; i++) assert_true((fds[i] = memfd_create("batch", MFD_CLOEXEC)) >= 0);
    assert_int_equal(skep__link_send(ends->a, "all", 3, fds, SKEP_MAX_BATCH), SKEP_OK);
    expect(ends, "all");
    assert_int_equal(ends->message.fd_count, SKEP_MAX_BATCH);
    for (unsigned i = 0; i < SKEP_MAX_BATCH; i++) {
        assert_true(is_same_file(ends->message.fds[i], fds[i]));
        assert_true(i == 0 || !is_same_file(ends->message.fds[i], fds[i - 1]));
        assert_true(fcntl(ends->message.fds[i], F_GETFD) & FD_CLOEXEC);
    }
    close_all(ends->message.fds, ends->message.fd_count);
    close_all(fds, SKEP_MAX_BATCH);
}

/* No room for all descriptors in the receiver: the kernel drops some, and says so. */
static void test_too_few_descriptors_free(void **state) {
    struct ends *ends = *state;
    struct rlimit before, few;
    int fds[4];
    for (unsigned i = 0; i < 4; i++) assert_true((fds[i] = memfd_create("batch", MFD_CLOEXEC)) >= 0);
    assert_int_equal(skep__link_send(ends->a, "four", 4, fds, 4), SKEP_OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    int next = dup(ends->a); /* the lowest that is free: two may be opened from here on */
    close(next);
    few.rlim_cur = (rlim_t)next + 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int status = skep__link_receive(ends->b, &ends->message);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, SKEP_OK);
    assert_true(ends->message.truncated);
    assert_in_range(ends->message.fd_count, 0, 2);
    close_all(ends->message.fds, ends->message.fd_count);
    close_all(fds, 4);
}

static void test_too_long(void **state) {
    static char data[SKEP_MAX_LINK + 1];
    struct ends *ends = *state;
    assert_int_equal(skep__link_send(ends->a, data, SKEP_MAX_LINK, NULL, 0), SKEP_OK);
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_OK);
    assert_int_equal(ends->message.size_bytes, SKEP_MAX_LINK);
    assert_false(ends->message.truncated);
    assert_int_equal(skep__link_send(ends->a, data, sizeof data, NULL, 0), SKEP_OK);
    say(ends, "next");
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_OK);
    assert_true(ends->message.truncated);
    expect(ends, "next");
}

/* --- the end --- */

/* An empty message counts as the end; its descriptors are nobody's. */
static void test_empty_with_descriptors(void **state) {
    struct ends *ends = *state;
    int pipes[2];
    char byte;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(skep__link_send(ends->a, "", 0, &pipes[1], 1), SKEP_OK);
    close(pipes[1]);
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_ECLOSED);
    assert_int_equal(fcntl(pipes[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
}

static void test_end(void **state) {
    struct ends *ends = *state;
    say(ends, "last words");
    close(ends->a);
    ends->a = -1;
    expect(ends, "last words");
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_ECLOSED);
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_ECLOSED);
    assert_int_equal(skep__link_send(ends->b, "late", 4, NULL, 0), SKEP_ECLOSED); /* and no SIGPIPE */
}

/* A peer that dies with unread messages resets the connection; what it had sent can still be read, then comes the end.
 */
static void test_end_with_unread_messages(void **state) {
    struct ends *ends = *state;
    say(ends, "last words");
    assert_int_equal(skep__link_send(ends->b, "never read", 10, NULL, 0), SKEP_OK);
    close(ends->a);
    ends->a = -1;
    expect(ends, "last words");
    assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_ECLOSED);
}

/* --- waiting --- */

static unsigned fill(const struct ends *ends) {
    static char data[SKEP_MAX_LINK];
    unsigned count = 0;
    int status;
    while ((status = skep__link_send(ends->a, data, sizeof data, NULL, 0)) == SKEP_OK) count++;
    assert_int_equal(status, SKEP_EAGAIN);
    return count;
}

static void test_the_peer_is_behind(void **state) {
    struct ends *ends = *state;
    unsigned count = fill(ends);
    assert_true(count > 0);
    assert_int_equal(skep__link_wait_writable(ends->a, 1), SKEP_ETIMEDOUT);
    for (unsigned i = 0; i < count; i++) assert_int_equal(skep__link_receive(ends->b, &ends->message), SKEP_OK);
    assert_int_equal(skep__link_wait_writable(ends->a, 1000), SKEP_OK);
    say(ends, "again");
    expect(ends, "again");
}

static void test_waiting(void **state) {
    struct ends *ends = *state;
    assert_int_equal(skep__link_wait(ends->b, 1), SKEP_ETIMEDOUT);
    say(ends, "there");
    assert_int_equal(skep__link_wait(ends->b, 1000), SKEP_OK);
    expect(ends, "there");
    close(ends->a);
    ends->a = -1;
    assert_int_equal(skep__link_wait(ends->b, 1000), SKEP_OK); /* the end can be read */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kind_of_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_keep_their_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_descriptors_arrive_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_few_descriptors_free, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_with_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_with_unread_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_peer_is_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
