/* SPDX-License-Identifier: MIT
 * Clients of workers under test. They share the primary's thread, so they never wait outside its loop. */
#ifndef SKEP_TESTS_CLIENT_H
#define SKEP_TESTS_CLIENT_H

#include "hive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static inline int client_connect_to(const void *address, socklen_t size_bytes, int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, address, size_bytes) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

/* A connection to tcp://127.0.0.N:PORT or unix:///PATH; -errno if there is none. The kernel accepts it, so this does
 * not wait. */
static inline int client_connect(const char *url) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char host[32];
    unsigned port;
    if (sscanf(url, "tcp://%31[0-9.]:%u", host, &port) == 2) {
        assert_int_equal(inet_pton(AF_INET, host, &in.sin_addr), 1);
        in.sin_port = htons((uint16_t)port);
        return client_connect_to(&in, sizeof in, AF_INET);
    }
    assert_int_equal(sscanf(url, "unix://%107s", un.sun_path), 1);
    return client_connect_to(&un, sizeof un, AF_UNIX);
}

/* Reads what a worker says until it closes the connection. */
static inline void client_read(struct hive *hive, int fd, char *text, size_t capacity_bytes) {
    size_t used = 0;
    ssize_t n = -1;
    while (n != 0) {
        HIVE_LOOK_UNTIL(hive, (n = recv(fd, text + used, capacity_bytes - used - 1, MSG_DONTWAIT)) >= 0);
        used += (size_t)n;
    }
    text[used] = '\0';
    close(fd);
}

/* The id of the worker that answers at a URL. */
static inline uint32_t client_ask(struct hive *hive, const char *url) {
    char text[64];
    int fd = client_connect(url);
    if (fd < 0) fail_msg("%s: %s", url, strerror(-fd));
    client_read(hive, fd, text, sizeof text);
    return (uint32_t)strtoul(text, NULL, 10);
}

#endif
