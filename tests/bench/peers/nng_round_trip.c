/* SPDX-License-Identifier: MIT
 * Bare NNG, there and back at depth 1: a PUSH and a PULL each way over ipc, and a libuv loop in each process. What NNG
 * receives on its threads is handed to the loop, and the loop answers: the least that a program around a loop can do.
 * nng_round_trip DIR SECONDS */
#include <nng/nng.h>

#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdatomic.h>
#include <uv.h>

#include "child.h"
#include "command.h"
#include "nng_check.h"

enum { MAX_SAMPLES = 1 << 20 };

struct end {
    nng_socket in, out;
    nng_aio *in_aio, *out_aio;
    _Atomic(nng_msg *) arrived; /* handed from NNG's thread to the loop's; depth 1 needs no more room */
    uv_loop_t loop;
    uv_async_t wake;
    msgpack_zone zone;
    msgpack_sbuffer buffer;
    void (*handle)(struct end *end, const struct bench_command *command);

    uint64_t sent_ns, until_ns;
    uint64_t *samples_ns;
    size_t count;
};

static void arrived(void *argument) {
    struct end *end = argument;
    if (nng_aio_result(end->in_aio) != 0) return;
    atomic_store(&end->arrived, nng_aio_get_msg(end->in_aio));
    nng_recv_aio(end->in, end->in_aio);
    uv_async_send(&end->wake);
}

static void send_command(struct end *end, const struct bench_command *command) {
    nng_msg *message;
    msgpack_sbuffer_clear(&end->buffer);
    bench_pack(&end->buffer, command);
    bench_nng(nng_msg_alloc(&message, 0), "message");
    bench_nng(nng_msg_append(message, end->buffer.data, end->buffer.size), "append");
    nng_aio_wait(end->out_aio);
    nng_aio_set_msg(end->out_aio, message);
    nng_send_aio(end->out, end->out_aio);
}

static void woken(uv_async_t *wake) {
    struct end *end = wake->data;
    nng_msg *message = atomic_exchange(&end->arrived, NULL);
    if (message == NULL) return;
    struct bench_command command;
    if (!bench_unpack(&end->zone, nng_msg_body(message), nng_msg_len(message), &command)) exit(1);
    nng_msg_free(message);
    end->handle(end, &command);
}

static void echo(struct end *end, const struct bench_command *command) {
    send_command(end, command);
}

static void sample(struct end *end, const struct bench_command *command) {
    uint64_t now_ns = bench_now_ns();
    if (command->request > 1000 && end->count < MAX_SAMPLES) end->samples_ns[end->count++] = now_ns - end->sent_ns;
    if (now_ns >= end->until_ns) {
        uv_stop(&end->loop);
        return;
    }
    struct bench_command next = {.request = command->request + 1};
    end->sent_ns = bench_now_ns();
    send_command(end, &next);
}

/* Listens on the URL that it receives from and dials the one that it sends to, as soon as that is there. */
static void end_open(struct end *end, const char *in, const char *out) {
    uv_loop_init(&end->loop);
    uv_async_init(&end->loop, &end->wake, woken);
    end->wake.data = end;
    msgpack_sbuffer_init(&end->buffer);
    if (!msgpack_zone_init(&end->zone, MSGPACK_ZONE_CHUNK_SIZE)) exit(1);
    bench_nng(nng_pull0_open(&end->in), "pull");
    bench_nng(nng_push0_open(&end->out), "push");
    bench_nng(nng_aio_alloc(&end->in_aio, arrived, end), "aio");
    bench_nng(nng_aio_alloc(&end->out_aio, NULL, NULL), "aio");
    bench_nng(nng_listen(end->in, in, NULL, 0), in);
    bench_nng(nng_socket_set_ms(end->out, NNG_OPT_RECONNMINT, 10), "reconnect");
    bench_nng(nng_dial(end->out, out, NULL, NNG_FLAG_NONBLOCK), out);
    nng_recv_aio(end->in, end->in_aio);
}

static void ask(const char *in, const char *out, uint64_t window_ns) {
    static struct end end = {.handle = sample};
    end.samples_ns = calloc(MAX_SAMPLES, sizeof *end.samples_ns);
    if (end.samples_ns == NULL) exit(1);
    end_open(&end, in, out);
    struct bench_command first = {.request = 1};
    end.sent_ns = bench_now_ns();
    end.until_ns = end.sent_ns + window_ns;
    send_command(&end, &first);
    uv_run(&end.loop, UV_RUN_DEFAULT);
    bench_samples_print(end.samples_ns, end.count, 1e3);
}

static void answer(const char *in, const char *out) {
    static struct end end = {.handle = echo};
    end_open(&end, in, out);
    uv_run(&end.loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    char there[256], back[256];
    snprintf(there, sizeof there, "ipc://%s/nng-there", argv[1]);
    snprintf(back, sizeof back, "ipc://%s/nng-back", argv[1]);
    pid_t child = bench_fork();
    if (child == 0) answer(there, back);
    ask(back, there, bench_seconds_ns(argv[2]));
    bench_end(child);
    return 0;
}
