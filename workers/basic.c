/* SPDX-License-Identifier: MIT
 * Each worker says hello with its pid and then computes for a while, after the reply has left; a
 * worker that crashes is replaced. While a worker computes it acknowledges nothing, so round robin passes it over. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    unsigned workers;
    unsigned iterations;
} options = {.listen = "tcp://*:8000", .iterations = 10 * 1000 * 1000};

/* --- Primary --- */

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    printf("Worker %d died\n", (int)skep_child_pid(event->child));
    if (primary_give_up(cluster, event, workers_status)) return;
    if (skep_child_exited_after_disconnect(event->child) == 1) return;
    printf("Forking a new worker...\n");
    primary_fork_again(cluster, event);
}

static int primary(void) {
    printf("Master %d is running\n", (int)getpid());
    return primary_run("basic", options.workers, on_worker_exit, NULL);
}

/* --- Worker --- */

static char greeting[64];

static void answer(http_request *request, const char *path, void *worker) {
    (void)path;
    http_reply_constant(request, "text/plain", greeting);
    skep_count(worker, "requests", 1);
}

/* The client has its reply; nobody waits for this but the next client of this worker. */
static void work(void *context) {
    (void)context;
    for (volatile unsigned i = options.iterations; i > 0; i--) continue;
}

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)self, (void)listener;
    snprintf(greeting, sizeof greeting, "Hello from Worker %d\n", (int)getpid());
    http_on_replied(server, work);
    printf("Worker %d started\n", (int)getpid());
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Says hello from every processor and computes after each reply.",
                 (struct option_row[]){
                     OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                     OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
                     OPTION_NUMBER("iterations", "N", "of CPU work after a reply", &options.iterations, 0, 1000000000),
                     OPTION_END});
    return skep_is_worker() ? http_serve("basic", options.listen, answer, listening) : primary();
}
