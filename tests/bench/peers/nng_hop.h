/* SPDX-License-Identifier: MIT
 * A process on a way there and back with bare NNG: a PULL, a PUSH and a libuv loop. What NNG receives on its threads is
 * handed to the loop, and the loop answers: the least that a program around a loop can do. For depth 1 only. */
#ifndef BENCH_NNG_HOP_H
#define BENCH_NNG_HOP_H

#include <nng/nng.h>

#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdatomic.h>
#include <uv.h>

#include "command.h"
#include "nng_check.h"

struct bench_hop {
    nng_socket in, out;
    nng_aio *in_aio, *out_aio;
    _Atomic(nng_msg *) arrived; /* handed from NNG's thread to the loop's; depth 1 needs no more room */
    uv_loop_t *loop;
    uv_async_t wake;
    msgpack_zone zone;
    msgpack_sbuffer buffer;
    void (*handle)(struct bench_hop *hop, nng_msg *message); /* takes the message */
    void *context;
};

static inline void bench_hop_arrived(void *argument) {
    struct bench_hop *hop = argument;
    if (nng_aio_result(hop->in_aio) != 0) return;
    atomic_store(&hop->arrived, nng_aio_get_msg(hop->in_aio));
    nng_recv_aio(hop->in, hop->in_aio);
    uv_async_send(&hop->wake);
}

static inline void bench_hop_woken(uv_async_t *wake) {
    struct bench_hop *hop = wake->data;
    nng_msg *message = atomic_exchange(&hop->arrived, NULL);
    if (message != NULL) hop->handle(hop, message);
}

/* Takes the message. */
static inline void bench_hop_send(struct bench_hop *hop, nng_msg *message) {
    nng_aio_wait(hop->out_aio);
    nng_aio_set_msg(hop->out_aio, message);
    nng_send_aio(hop->out, hop->out_aio);
}

static inline void bench_hop_send_command(struct bench_hop *hop, const struct bench_command *command) {
    nng_msg *message;
    msgpack_sbuffer_clear(&hop->buffer);
    bench_pack(&hop->buffer, command);
    bench_nng(nng_msg_alloc(&message, 0), "message");
    bench_nng(nng_msg_append(message, hop->buffer.data, hop->buffer.size), "append");
    bench_hop_send(hop, message);
}

/* Decodes and frees a message. */
static inline struct bench_command bench_hop_command(struct bench_hop *hop, nng_msg *message) {
    struct bench_command command;
    if (!bench_unpack(&hop->zone, nng_msg_body(message), nng_msg_len(message), &command)) exit(1);
    nng_msg_free(message);
    return command;
}

/* The far one: decodes, packs and sends what it gets. */
static inline void bench_hop_echo(struct bench_hop *hop, nng_msg *message) {
    struct bench_command command = bench_hop_command(hop, message);
    bench_hop_send_command(hop, &command);
}

/* Makes the sockets. handle and context are set already; hop and loop outlive all. */
static inline void bench_hop_open(struct bench_hop *hop, uv_loop_t *loop) {
    hop->loop = loop;
    uv_async_init(loop, &hop->wake, bench_hop_woken);
    hop->wake.data = hop;
    msgpack_sbuffer_init(&hop->buffer);
    if (!msgpack_zone_init(&hop->zone, MSGPACK_ZONE_CHUNK_SIZE)) exit(1);
    bench_nng(nng_pull0_open(&hop->in), "pull");
    bench_nng(nng_push0_open(&hop->out), "push");
    bench_nng(nng_aio_alloc(&hop->in_aio, bench_hop_arrived, hop), "aio");
    bench_nng(nng_aio_alloc(&hop->out_aio, NULL, NULL), "aio");
}

static inline void bench_hop_listen(nng_socket socket, const char *url) {
    bench_nng(nng_listen(socket, url, NULL, 0), url);
}

/* Dials, as soon as there is somebody. */
static inline void bench_hop_dial(nng_socket socket, const char *url) {
    bench_nng(nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, 10), "reconnect");
    bench_nng(nng_dial(socket, url, NULL, NNG_FLAG_NONBLOCK), url);
}

static inline void bench_hop_receive(struct bench_hop *hop) {
    nng_recv_aio(hop->in, hop->in_aio);
}

#endif
