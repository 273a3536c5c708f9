/* SPDX-License-Identifier: MIT
 * Listening sockets under test: bound by a URL, looked at, connected to. */
#ifndef SKEP_TESTS_SOCKETS_H
#define SKEP_TESTS_SOCKETS_H

#include "lib/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include "connections/socket.h"

static inline struct skep_url parse(const char *text) {
    struct skep_url url;
    const char *why = NULL;
    if (skep__url_parse(text, &url, &why) != SKEP_OK) fail_msg("%s: %s", text, why);
    return url;
}

static inline int bind_to(struct skep_url *url) {
    int fd = -1;
    assert_int_equal(skep__socket_bind(url, 16, false, &fd), SKEP_OK);
    assert_true(fd >= 0);
    return fd;
}

static inline int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size_bytes = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &size_bytes), 0);
    return value;
}

/* Whether a connection to an address can be made. */
static inline bool connects(const struct skep_url *url) {
    int fd = socket(url->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (const struct sockaddr *)&url->address, url->address_size_bytes) == 0;
    close(fd);
    return connected;
}

static inline void expect_listening(int fd, const struct skep_url *url) {
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    if (url->address.ss_family == AF_UNIX) return;
    assert_int_not_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_not_equal(option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
    assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
}

static inline struct skep_url unix_url(const struct pump *pump, const char *name) {
    char text[96];
    snprintf(text, sizeof text, "unix://%s/%s", pump->dir, name);
    return parse(text);
}

static inline const char *path_of(const struct skep_url *url) {
    return ((const struct sockaddr_un *)&url->address)->sun_path;
}

#endif
