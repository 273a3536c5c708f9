/* SPDX-License-Identifier: MIT
 * Skep, there and back at depth 1: a worker's request, its primary's reply in the message callback, 64 bytes each way.
 * skep_round_trip DIR SECONDS */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "figures.h"
#include "must.h"

enum { MAX_SAMPLES = 1 << 20, WARM_UP = 1000 };

struct asker {
    uint64_t sent_ns, until_ns;
    uint64_t *samples_ns;
    size_t count, asked;
};

static void ask(skep_worker *worker, struct asker *asker);

static void answered(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    struct asker *asker = context;
    uint64_t now_ns = bench_now_ns();
    (void)data;
    bench_must(status, "reply");
    if (size_bytes != BENCH_PAYLOAD) exit(1);
    if (asker->asked > WARM_UP && asker->count < MAX_SAMPLES) {
        asker->samples_ns[asker->count++] = now_ns - asker->sent_ns;
    }
    if (now_ns < asker->until_ns) ask(worker, asker);
    else skep_disconnect(worker);
}

static void ask(skep_worker *worker, struct asker *asker) {
    static const char data[BENCH_PAYLOAD];
    asker->asked++;
    asker->sent_ns = bench_now_ns();
    bench_must(skep_request(worker, 0, "bench", data, sizeof data, 0, answered, asker), "request");
}

static int work(uint64_t window_ns) {
    struct asker asker = {.samples_ns = calloc(MAX_SAMPLES, sizeof(uint64_t))};
    skep_worker *worker;
    if (asker.samples_ns == NULL) return 1;
    bench_must(skep_worker_new(&worker, NULL), "worker");
    asker.until_ns = bench_now_ns() + window_ns;
    ask(worker, &asker);
    bench_must(skep_worker_run(worker), "run");
    skep_worker_free(&worker);
    bench_samples_print(asker.samples_ns, asker.count, 1e3);
    free(asker.samples_ns);
    return 0;
}

static void answer(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    bench_must(skep_child_reply(event->child, event->request, SKEP_OK, event->data, event->size_bytes), "reply");
}

int main(int argc, char **argv) {
    if (argc != 3) return 64;
    if (skep_is_worker()) return work(bench_seconds_ns(argv[2]));
    skep_settings settings = {.dir = argv[1]};
    skep_cluster *cluster;
    bench_must(skep_cluster_new(&cluster, NULL), "cluster");
    bench_must(skep_setup_primary(cluster, &settings), "setup");
    bench_must(skep_on(cluster, SKEP_EVENT_MESSAGE, answer, NULL), "on message");
    bench_must(skep_fork(cluster, NULL, NULL), "fork");
    bench_must(skep_cluster_run(cluster), "run");
    skep_cluster_free(&cluster);
    return 0;
}
