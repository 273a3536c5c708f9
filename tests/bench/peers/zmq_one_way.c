/* SPDX-License-Identifier: MIT
 * ZeroMQ: one command in each message, PUSH to PULL over ipc; the library batches by itself.
 * zmq_one_way DIR SECONDS */
#include <zmq.h>

#include "child.h"
#include "command.h"

enum { BURST = 64 }; /* messages between two looks at the clock */

static void check(int result, const char *what) {
    if (result >= 0) return;
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

/* The high-water mark stays at its default of 1,000 messages: ten and a hundred times more were no faster. */
static void *open_socket(int type) {
    void *socket = zmq_socket(zmq_ctx_new(), type);
    if (socket == NULL) check(-1, "socket");
    return socket;
}

static void receive(const char *url, uint64_t window_ns) {
    struct bench_rate rate = {.window_ns = window_ns};
    struct bench_command command;
    msgpack_zone zone;
    zmq_msg_t message;
    void *socket = open_socket(ZMQ_PULL);
    check(zmq_bind(socket, url), url);
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) exit(1);
    zmq_msg_init(&message);
    do {
        for (int i = 0; i < BURST; i++) {
            check(zmq_msg_recv(&message, socket, 0), "receive");
            if (!bench_unpack(&zone, zmq_msg_data(&message), zmq_msg_size(&message), &command)) exit(1);
        }
    } while (!bench_rate_add(&rate, BURST));
    bench_rate_print(&rate);
}

static void send_for_ever(const char *url) {
    void *socket = open_socket(ZMQ_PUSH);
    check(zmq_connect(socket, url), url);
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    struct bench_command command = {.request = 0};
    for (;;) {
        msgpack_sbuffer_clear(&buffer);
        bench_pack(&buffer, &command);
        check(zmq_send(socket, buffer.data, buffer.size, 0), "send");
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    char url[256];
    snprintf(url, sizeof url, "ipc://%s/zmq-one-way", argv[1]);
    pid_t child = bench_fork();
    if (child == 0) send_for_ever(url);
    receive(url, bench_seconds_ns(argv[2]));
    bench_end(child);
    return 0;
}
