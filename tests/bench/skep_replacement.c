/* SPDX-License-Identifier: MIT
 * Skep: a primary of 2 workers kills one after the other and takes the time from each kill to its replacement's ready.
 * skep_replacement DIR KILLS STABLE_MS PROGRAM [ARG...] */
#include <signal.h>
#include <skep/cluster.h>

#include "figures.h"
#include "must.h"

enum { WORKERS = 2, MAX_KILLS = 1000 };

struct killer {
    uv_timer_t timer;
    skep_cluster *cluster;
    uint64_t samples_ns[MAX_KILLS];
    uint64_t killed_ns; /* 0: nothing was killed yet */
    uint64_t stable_ms; /* age of a worker from which on its death is no quick failure */
    size_t kills, wanted, ready;
};

static void kill_oldest(uv_timer_t *timer) {
    struct killer *killer = timer->data;
    skep_child *child = skep_child_next(killer->cluster, NULL);
    killer->killed_ns = bench_now_ns();
    bench_must(skep_child_kill(child, SIGKILL), "kill");
}

static void became_ready(skep_cluster *cluster, const skep_event *event, void *context) {
    struct killer *killer = context;
    uint64_t now_ns = bench_now_ns();
    (void)event;
    if (++killer->ready < WORKERS) return;
    if (killer->killed_ns != 0) killer->samples_ns[killer->kills++] = now_ns - killer->killed_ns;
    if (killer->kills < killer->wanted) {
        uv_timer_start(&killer->timer, kill_oldest, killer->stable_ms, 0);
        return;
    }
    uv_close((uv_handle_t *)&killer->timer, NULL);
    skep_cluster_stop(cluster, true);
}

int main(int argc, char **argv) {
    if (argc < 5) return 64;
    static struct killer killer;
    killer.wanted = strtoul(argv[2], NULL, 10);
    killer.stable_ms = strtoul(argv[3], NULL, 10);
    if (killer.wanted == 0 || killer.wanted > MAX_KILLS) return 64;
    skep_settings settings = {
        .dir = argv[1], .exec = argv[4], .args = (const char *const *)(argv + 5), .respawn = true};
    bench_must(skep_cluster_new(&killer.cluster, NULL), "cluster");
    uv_timer_init(skep_cluster_loop(killer.cluster), &killer.timer);
    killer.timer.data = &killer;
    bench_must(skep_setup_primary(killer.cluster, &settings), "setup");
    bench_must(skep_on(killer.cluster, SKEP_EVENT_READY, became_ready, &killer), "on ready");
    for (int i = 0; i < WORKERS; i++) bench_must(skep_fork(killer.cluster, NULL, NULL), "fork");
    bench_must(skep_cluster_run(killer.cluster), "run");
    skep_cluster_free(&killer.cluster);
    if (killer.kills < killer.wanted) return 1;
    bench_samples_print(killer.samples_ns, killer.kills, 1e6);
    return 0;
}
