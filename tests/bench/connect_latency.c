/* SPDX-License-Identifier: MIT
 * Opens one connection after the other and takes the time until the worker, which has taken it, has closed it.
 * connect_latency PORT SECONDS */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "figures.h"

enum { MAX_SAMPLES = 1000000, WARM_UP = 100, DEADLINE_S = 10 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t hand_off_ns(const struct sockaddr_in *address) {
    char byte;
    struct timeval deadline = {.tv_sec = DEADLINE_S};
    uint64_t begin_ns = bench_now_ns();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) != 0) fail("socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) fail("connect");
    if (recv(fd, &byte, 1, 0) != 0) fail("recv");
    uint64_t spent_ns = bench_now_ns() - begin_ns;
    close(fd);
    return spent_ns;
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t *samples_ns = malloc(MAX_SAMPLES * sizeof *samples_ns);
    size_t count = 0;
    if (samples_ns == NULL) fail("samples");
    for (unsigned i = 0; i < WARM_UP; i++) hand_off_ns(&address);
    for (uint64_t end_ns = bench_now_ns() + bench_seconds_ns(argv[2]); bench_now_ns() < end_ns && count < MAX_SAMPLES;)
        samples_ns[count++] = hand_off_ns(&address);
    bench_samples_print(samples_ns, count, 1e3);
    free(samples_ns);
    return 0;
}
