/* SPDX-License-Identifier: MIT
 * Skep: a worker sends 64 bytes a message as fast as its frames leave; its primary counts in a message callback.
 * skep_one_way DIR SECONDS */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "figures.h"
#include "must.h"

enum { BURST = 1024 }; /* messages in one iteration of the loop */

struct sender {
    skep_worker *worker;
    uv_idle_t idle;
};

static void send_burst(uv_idle_t *idle) {
    static const char data[BENCH_PAYLOAD];
    struct sender *sender = idle->data;
    for (int i = 0; i < BURST; i++) {
        int status = skep_send(sender->worker, "bench", data, sizeof data);
        if (status == SKEP_OK) continue;
        if (status != SKEP_EAGAIN) exit(skep_exit_status(status));
        uv_idle_stop(idle);
        return;
    }
}

static void drained(skep_worker *worker, void *context) {
    (void)worker;
    struct sender *sender = context;
    uv_idle_start(&sender->idle, send_burst);
}

static int work(void) {
    struct sender sender;
    bench_must(skep_worker_new(&sender.worker, NULL), "worker");
    uv_idle_init(skep_worker_loop(sender.worker), &sender.idle);
    sender.idle.data = &sender;
    uv_idle_start(&sender.idle, send_burst);
    skep_on_drain(sender.worker, drained, &sender);
    return skep_exit_status(skep_worker_run(sender.worker));
}

struct counter {
    struct bench_rate rate;
    uint64_t waiting; /* counted, the clock not yet read */
    bool over;
};

static void count(skep_cluster *cluster, const skep_event *event, void *context) {
    struct counter *counter = context;
    if (counter->over || event->size_bytes != BENCH_PAYLOAD || ++counter->waiting < 64) return;
    counter->over = bench_rate_add(&counter->rate, counter->waiting);
    counter->waiting = 0;
    if (counter->over) skep_cluster_stop(cluster, true);
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    if (skep_is_worker()) return work();
    struct counter counter = {.rate.window_ns = bench_seconds_ns(argv[2])};
    skep_settings settings = {.dir = argv[1]};
    skep_cluster *cluster;
    bench_must(skep_cluster_new(&cluster, NULL), "cluster");
    bench_must(skep_setup_primary(cluster, &settings), "setup");
    bench_must(skep_on(cluster, SKEP_EVENT_MESSAGE, count, &counter), "on message");
    bench_must(skep_fork(cluster, NULL, NULL), "fork");
    bench_must(skep_cluster_run(cluster), "run");
    skep_cluster_free(&cluster);
    if (!counter.over) return 1;
    bench_rate_print(&counter.rate);
    return 0;
}
