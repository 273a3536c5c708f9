/* SPDX-License-Identifier: MIT
 * Bare NNG: one command in each message, PUSH to PULL over ipc; in the plain way of NNG's own examples (nng_recvmsg),
 * and in the fastest that was found (one receiving aio that re-arms itself, a send buffer of 128 messages). nng_one_way
 * DIR SECONDS plain|aio */
#include <nng/nng.h>

#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <semaphore.h>

#include "child.h"
#include "command.h"
#include "nng_check.h"

struct receiver {
    nng_socket socket;
    nng_aio *aio;
    msgpack_zone zone;
    struct bench_rate rate;
    sem_t over;
};

static void received(void *argument) {
    struct receiver *receiver = argument;
    if (nng_aio_result(receiver->aio) != 0) return;
    nng_msg *message = nng_aio_get_msg(receiver->aio);
    nng_recv_aio(receiver->socket, receiver->aio);
    struct bench_command command;
    bool good = bench_unpack(&receiver->zone, nng_msg_body(message), nng_msg_len(message), &command);
    nng_msg_free(message);
    if (good && bench_rate_add(&receiver->rate, 1)) sem_post(&receiver->over);
}

static void receive_by_aio(struct receiver *receiver) {
    sem_init(&receiver->over, 0, 0);
    bench_nng(nng_aio_alloc(&receiver->aio, received, receiver), "aio");
    nng_recv_aio(receiver->socket, receiver->aio);
    while (sem_wait(&receiver->over) != 0) continue;
    nng_aio_stop(receiver->aio);
}

static void receive_plainly(struct receiver *receiver) {
    struct bench_command command;
    nng_msg *message;
    do {
        bench_nng(nng_recvmsg(receiver->socket, &message, 0), "receive");
        if (!bench_unpack(&receiver->zone, nng_msg_body(message), nng_msg_len(message), &command)) exit(1);
        nng_msg_free(message);
    } while (!bench_rate_add(&receiver->rate, 1));
}

static void receive(const char *url, uint64_t window_ns, bool by_aio) {
    static struct receiver receiver;
    receiver.rate.window_ns = window_ns;
    if (!msgpack_zone_init(&receiver.zone, MSGPACK_ZONE_CHUNK_SIZE)) exit(1);
    bench_nng(nng_pull0_open(&receiver.socket), "pull");
    bench_nng(nng_listen(receiver.socket, url, NULL, 0), url);
    if (by_aio) receive_by_aio(&receiver);
    else receive_plainly(&receiver);
    bench_rate_print(&receiver.rate);
}

static void send_for_ever(const char *url, bool by_aio) {
    nng_socket socket;
    bench_nng(nng_push0_open(&socket), "push");
    if (by_aio) bench_nng(nng_socket_set_int(socket, NNG_OPT_SENDBUF, 128), "sendbuf");
    bench_nng(nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, 10), "reconnect");
    bench_nng(nng_dial(socket, url, NULL, NNG_FLAG_NONBLOCK), url);
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    struct bench_command command = {.request = 0};
    for (;;) {
        nng_msg *message;
        msgpack_sbuffer_clear(&buffer);
        bench_pack(&buffer, &command);
        bench_nng(nng_msg_alloc(&message, 0), "message");
        bench_nng(nng_msg_append(message, buffer.data, buffer.size), "append");
        bench_nng(nng_sendmsg(socket, message, 0), "send");
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    bool by_aio = strcmp(argv[3], "aio") == 0;
    char url[256];
    snprintf(url, sizeof url, "ipc://%s/nng-one-way", argv[1]);
    pid_t child = bench_fork();
    if (child == 0) send_for_ever(url, by_aio);
    receive(url, bench_seconds_ns(argv[2]), by_aio);
    bench_end(child);
    return 0;
}
