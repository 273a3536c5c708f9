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
    skep_cluster *cluster = NULL;
    int workers_status = 0;
    printf("Master %d is running\n", (int)getpid());
    int status = skep_cluster_new(&cluster, NULL);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_worker_exit, &workers_status);
    if (!status) status = skep_cluster_stop_on_signals(cluster);
    for (unsigned i = 0; !status && i < options.workers; i++) status = skep_fork(cluster, NULL, NULL);
    if (!status) status = skep_cluster_run(cluster);
    status = primary_end("basic", cluster, status, workers_status);
    skep_cluster_free(&cluster);
    return status;
}

/* --- Worker --- */

struct greeting {
    skep_worker *worker;
    char text[64];
};

static void answer(http_request *request, const char *path, void *context) {
    const struct greeting *greeting = context;
    (void)path;
    http_reply_constant(request, "text/plain", greeting->text);
    skep_count(greeting->worker, "requests", 1);
}

/* The client has its reply; nobody waits for this but the next client of this worker. */
static void work(void *context) {
    (void)context;
    for (volatile unsigned i = options.iterations; i > 0; i--) continue;
}

static int serve(skep_worker *self, http *server) {
    http_on_replied(server, work);
    if (skep_listen(self, options.listen, http_connection, server, NULL))
        return worker_cannot_listen("basic", options.listen, skep_worker_why(self));
    printf("Worker %d started\n", (int)getpid());
    return worker_end(skep_worker_run(self));
}

static int worker(void) {
    struct greeting greeting = {.worker = NULL};
    http *server = NULL;
    snprintf(greeting.text, sizeof greeting.text, "Hello from Worker %d\n", (int)getpid());
    int status = skep_worker_new(&greeting.worker, NULL);
    if (!status) status = http_new(&server, greeting.worker, answer, &greeting);
    status = status ? worker_stray("basic", status) : serve(greeting.worker, server);
    http_free(&server);
    skep_worker_free(&greeting.worker);
    return status;
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Says hello from every processor and computes after each reply.",
                 (struct option_row[]){
                     OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                     OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
                     OPTION_NUMBER("iterations", "N", "of CPU work after a reply", &options.iterations, 0, 1000000000),
                     OPTION_END});
    return skep_is_worker() ? worker() : primary();
}
