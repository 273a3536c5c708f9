/* SPDX-License-Identifier: MIT
 * Workers that serve nothing. Each waits for a random time, says so and exits;
 * the primary counts the exits and ends by itself when all are done. */
#include <skep/cluster.h>
#include <skep/worker.h>
#include <time.h>

#include "program.h"

static struct {
    unsigned workers;
    unsigned min_ms, max_ms;
} options = {.min_ms = 1000, .max_ms = 6000};

/* --- Primary: cluster.js --- */

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    static unsigned exits;
    (void)cluster;
    printf("process ended %d\n", (int)skep_child_pid(event->child));
    if (event->code != 0) *(int *)workers_status = EXIT_FAILURE;
    if (++exits == options.workers) printf("all done \u2705\n");
}

/* --- Worker: index.js --- */

/* process.exit() */
static void on_timeout(uv_timer_t *timer) {
    (void)timer;
    printf("timeout\n%d\n", (int)getpid());
    exit(EXIT_SUCCESS);
}

/* Different in each worker, though all start at the same time. */
static unsigned random_ms(unsigned least, unsigned most) {
    srandom((unsigned)getpid() ^ (unsigned)uv_hrtime());
    return least + (unsigned)random() % (most - least + 1);
}

static int worker(void) {
    skep_worker *self = NULL;
    uv_timer_t timer;
    int status = skep_worker_new(&self, NULL);
    if (status) return worker_stray("timers", status);
    uv_timer_init(skep_worker_loop(self), &timer);
    uv_timer_start(&timer, on_timeout, random_ms(options.min_ms, options.max_ms), 0);
    uv_unref((uv_handle_t *)&timer); /* it does not keep a leaving worker alive */
    status = skep_worker_run(self);
    uv_close((uv_handle_t *)&timer, NULL);
    skep_worker_free(&self);
    return worker_end(status);
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Forks workers that wait for a random time and exit; ends when all have.",
                 (struct option_row[]){OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
                                       OPTION_NUMBER("min-ms", "MS", "shortest wait", &options.min_ms, 0, 3600000),
                                       OPTION_NUMBER("max-ms", "MS", "longest wait", &options.max_ms, 0, 3600000),
                                       OPTION_END});
    if (options.max_ms < options.min_ms) PROGRAM_REFUSE("timers: --max-ms is less than --min-ms");
    return skep_is_worker() ? worker() : primary_run("timers", options.workers, on_worker_exit, NULL);
}
