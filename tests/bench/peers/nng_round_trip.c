/* SPDX-License-Identifier: MIT
 * Bare NNG, there and back at depth 1: a PUSH and a PULL each way over ipc, and a libuv loop in each process.
 * nng_round_trip DIR SECONDS */
#include "asker.h"
#include "child.h"

/* Listens on the URL that it receives from and dials the one that it sends to. */
static void open_between(struct bench_hop *hop, const char *in, const char *out) {
    bench_hop_open(hop, uv_default_loop());
    bench_hop_listen(hop->in, in);
    bench_hop_dial(hop->out, out);
}

static void ask(const char *in, const char *out, uint64_t window_ns) {
    static struct bench_asker asker;
    static struct bench_hop hop = {.handle = bench_asker_answered, .context = &asker};
    open_between(&hop, in, out);
    bench_asker_run(&hop, window_ns);
}

static void answer(const char *in, const char *out) {
    static struct bench_hop hop = {.handle = bench_hop_echo};
    open_between(&hop, in, out);
    bench_hop_receive(&hop);
    uv_run(hop.loop, UV_RUN_DEFAULT);
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
