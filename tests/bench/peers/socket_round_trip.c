/* SPDX-License-Identifier: MIT
 * A bare Unix socket, there and back at depth 1: 64 bytes, and epoll in each of two processes. What is left is the
 * kernel and the machine. socket_round_trip DIR SECONDS */
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../figures.h"
#include "child.h"

enum { MAX_SAMPLES = 1 << 20, WARM_UP = 1000 };

struct end {
    int socket, poll;
    char data[BENCH_PAYLOAD];
};

static void must(bool worked, const char *what) {
    if (worked) return;
    perror(what);
    exit(1);
}

static struct end open_end(int socket) {
    struct end end = {.socket = socket, .poll = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event event = {.events = EPOLLIN};
    must(end.poll >= 0 && epoll_ctl(end.poll, EPOLL_CTL_ADD, socket, &event) == 0, "epoll");
    return end;
}

static void send_data(const struct end *end) {
    must(write(end->socket, end->data, sizeof end->data) == sizeof end->data, "write");
}

static void receive(struct end *end) {
    struct epoll_event event;
    must(epoll_wait(end->poll, &event, 1, -1) == 1, "epoll_wait");
    must(read(end->socket, end->data, sizeof end->data) == sizeof end->data, "read");
}

static void ask(int socket, uint64_t window_ns) {
    struct end end = open_end(socket);
    uint64_t *samples_ns = calloc(MAX_SAMPLES, sizeof *samples_ns), sent_ns = bench_now_ns();
    uint64_t until_ns = sent_ns + window_ns;
    size_t count = 0;
    must(samples_ns != NULL, "calloc");
    for (size_t asked = 0; sent_ns < until_ns && count < MAX_SAMPLES; asked++) {
        sent_ns = bench_now_ns();
        send_data(&end);
        receive(&end);
        if (asked >= WARM_UP) samples_ns[count++] = bench_now_ns() - sent_ns;
    }
    bench_samples_print(samples_ns, count, 1e3);
    free(samples_ns);
}

static void answer(int socket) {
    struct end end = open_end(socket);
    for (;;) {
        receive(&end);
        send_data(&end);
    }
}

int main(int argc, char **argv) {
    int sockets[2];
    if (argc != 3) return 64;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
    pid_t child = bench_fork();
    if (child == 0) answer(sockets[1]);
    ask(sockets[0], bench_seconds_ns(argv[2]));
    bench_end(child);
    return 0;
}
