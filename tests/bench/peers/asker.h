/* SPDX-License-Identifier: MIT
 * The asking end of a way there and back: takes the time of each answer, and asks again. */
#ifndef BENCH_ASKER_H
#define BENCH_ASKER_H

#include "nng_hop.h"

enum { BENCH_WARM_UP = 1000, BENCH_MAX_SAMPLES = 1 << 20 };

struct bench_asker {
    uint64_t sent_ns, until_ns;
    uint64_t *samples_ns;
    size_t count;
};

/* A bench_hop's handle; its context is the asker. */
static inline void bench_asker_answered(struct bench_hop *hop, nng_msg *message) {
    struct bench_asker *asker = hop->context;
    struct bench_command answer = bench_hop_command(hop, message);
    uint64_t now_ns = bench_now_ns();
    if (answer.request > BENCH_WARM_UP && asker->count < BENCH_MAX_SAMPLES) {
        asker->samples_ns[asker->count++] = now_ns - asker->sent_ns;
    }
    if (now_ns >= asker->until_ns) {
        uv_stop(hop->loop);
        return;
    }
    struct bench_command next = {.request = answer.request + 1};
    asker->sent_ns = bench_now_ns();
    bench_hop_send_command(hop, &next);
}

/* Asks until the time is over; prints what it took. */
static inline void bench_asker_run(struct bench_hop *hop, uint64_t window_ns) {
    struct bench_asker *asker = hop->context;
    struct bench_command first = {.request = 1};
    asker->samples_ns = calloc(BENCH_MAX_SAMPLES, sizeof *asker->samples_ns);
    if (asker->samples_ns == NULL) exit(1);
    bench_hop_receive(hop);
    asker->sent_ns = bench_now_ns();
    asker->until_ns = asker->sent_ns + window_ns;
    bench_hop_send_command(hop, &first);
    uv_run(hop->loop, UV_RUN_DEFAULT);
    bench_samples_print(asker->samples_ns, asker->count, 1e3);
}

#endif
