/* SPDX-License-Identifier: MIT
 * A bare prefork server: the parent binds and forks; each worker waits in epoll for the shared listener and for
 * libmicrohttpd, and accepts for itself. The best that the same HTTP library does with nothing of Skep around it.
 * prefork PORT WORKERS BODY */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "child.h"

enum { ACCEPT_BURST = 64, CONNECTIONS = 4096, IDLE_SECONDS = 60, MEMORY_BYTES = 8192 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0) fail("SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    if (listen(fd, 511) != 0) fail("listen");
    return fd;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **request) {
    (void)url, (void)method, (void)version, (void)data;
    if (*request == NULL) {
        *request = context;
        return MHD_YES;
    }
    *size = 0;
    return MHD_queue_response(connection, MHD_HTTP_OK, context);
}

static struct MHD_Daemon *open_http(const char *body) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(strlen(body), (void *)(uintptr_t)body, NULL);
    if (response == NULL || MHD_add_response_header(response, "Content-Type", "text/plain") != MHD_YES)
        fail("response");
    struct MHD_Daemon *http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_TURBO, 0, NULL, NULL, answer, response,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_END);
    if (http == NULL) fail("libmicrohttpd");
    return http;
}

static void accept_burst(int listener, struct MHD_Daemon *http) {
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC}; /* MHD only keeps it for those who ask */
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        MHD_add_connection(http, fd, &nobody, sizeof nobody);
    }
}

static int wait_ms(struct MHD_Daemon *http) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(http, &timeout_ms) != MHD_YES) return -1;
    return (int)timeout_ms;
}

static void watch(int poller, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static void serve(int listener, const char *body) {
    struct MHD_Daemon *http = open_http(body);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    watch(poller, listener, EPOLLIN | EPOLLEXCLUSIVE);
    watch(poller, MHD_get_daemon_info(http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN);
    for (;;) {
        struct epoll_event events[2];
        int ready = epoll_wait(poller, events, 2, wait_ms(http));
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener) accept_burst(listener, http);
        }
        MHD_run(http);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    int listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    for (unsigned long i = strtoul(argv[2], NULL, 10); i > 0; i--) {
        if (bench_fork() == 0) serve(listener, argv[3]);
    }
    while (wait(NULL) > 0) continue;
    return 1;
}
