/* SPDX-License-Identifier: MIT
 * Opens fresh connections one after the other in each of CONCURRENCY places, and counts those that the server ended:
 * the rate at which connections reach a worker, with nothing of a protocol in it. connect_load PORT SECONDS CONCURRENCY
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "figures.h"

enum { MAX_EVENTS = 256 };

static int poller;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_connection(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) fail("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/* The worker closes what it takes, so the end of the stream is the sign that it took it. */
static void close_connection(int fd) {
    char byte;
    if (recv(fd, &byte, 1, 0) != 0) fail("recv");
    close(fd);
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct bench_rate rate = {.window_ns = bench_seconds_ns(argv[2])};
    struct epoll_event events[MAX_EVENTS];
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned long i = strtoul(argv[3], NULL, 10); i > 0; i--) open_connection();
    for (;;) {
        int ready = epoll_wait(poller, events, MAX_EVENTS, 5000);
        if (ready == 0) errno = ETIMEDOUT;
        if (ready <= 0) fail("epoll_wait");
        for (int i = 0; i < ready; i++) close_connection(events[i].data.fd);
        if (bench_rate_add(&rate, (uint64_t)ready)) break;
        for (int i = 0; i < ready; i++) open_connection();
    }
    bench_rate_print(&rate);
    return 0;
}
