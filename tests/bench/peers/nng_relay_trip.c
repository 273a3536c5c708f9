/* SPDX-License-Identifier: MIT
 * Bare NNG, from a client by way of a relay to a worker and back at depth 1, a libuv loop in each of the three. The
 * relay's loop passes messages on as they are. nng_relay_trip DIR SECONDS */
#include "asker.h"
#include "child.h"
#include "relay_urls.h"

static void pass(struct bench_hop *hop, nng_msg *message) {
    bench_hop_send(hop, message);
}

static void open_for_others(struct bench_hop *hop, const char *in, const char *out) {
    bench_hop_open(hop, uv_default_loop());
    bench_hop_listen(hop->in, in);
    bench_hop_listen(hop->out, out);
    bench_hop_receive(hop);
}

static void relay(const struct bench_urls *urls) {
    static struct bench_hop there = {.handle = pass}, back = {.handle = pass};
    open_for_others(&there, urls->intake, urls->inbox);
    open_for_others(&back, urls->outbox, urls->returns);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void open_to_relay(struct bench_hop *hop, const char *in, const char *out) {
    bench_hop_open(hop, uv_default_loop());
    bench_hop_dial(hop->in, in);
    bench_hop_dial(hop->out, out);
}

static void work(const struct bench_urls *urls) {
    static struct bench_hop hop = {.handle = bench_hop_echo};
    open_to_relay(&hop, urls->inbox, urls->outbox);
    bench_hop_receive(&hop);
    uv_run(hop.loop, UV_RUN_DEFAULT);
}

static void ask(const struct bench_urls *urls, uint64_t window_ns) {
    static struct bench_asker asker;
    static struct bench_hop hop = {.handle = bench_asker_answered, .context = &asker};
    open_to_relay(&hop, urls->returns, urls->intake);
    bench_asker_run(&hop, window_ns);
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    struct bench_urls urls;
    bench_urls_in(&urls, argv[1]);
    pid_t broker = bench_fork();
    if (broker == 0) relay(&urls);
    pid_t worker = bench_fork();
    if (worker == 0) work(&urls);
    ask(&urls, bench_seconds_ns(argv[2]));
    bench_end(worker);
    bench_end(broker);
    return 0;
}
