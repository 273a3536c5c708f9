/* SPDX-License-Identifier: MIT
 * The basic structure. A primary forks a worker for each processor and logs their deaths; the workers answer
 * "Hello, world!" on port 8000. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    unsigned workers;
} options = {.listen = "tcp://*:8000"};

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    printf("Worker %d died\n", (int)skep_child_pid(event->child));
    primary_give_up(cluster, event, workers_status);
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
    status = primary_end("hello-8000", cluster, status, workers_status);
    skep_cluster_free(&cluster);
    return status;
}

static void answer(http_request *request, const char *path, void *worker) {
    (void)path;
    http_reply_constant(request, "text/plain", "Hello, world!\n");
    skep_count(worker, "requests", 1);
}

static int serve(skep_worker *self, http *server) {
    skep_listener *listener;
    if (skep_listen(self, options.listen, http_connection, server, &listener))
        return worker_cannot_listen("hello-8000", options.listen, skep_worker_why(self));
    printf("Worker %d started and listening on %s\n", (int)getpid(), skep_listener_url(listener));
    return worker_end(skep_worker_run(self));
}

static int worker(void) {
    skep_worker *self = NULL;
    http *server = NULL;
    int status = skep_worker_new(&self, NULL);
    if (!status) status = http_new(&server, self, answer, self);
    status = status ? worker_stray("hello-8000", status) : serve(self, server);
    http_free(&server);
    skep_worker_free(&self);
    return status;
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Answers \"Hello, world!\" on every processor.",
                 (struct option_row[]){OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                                       OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000), //
                                       OPTION_END});
    return skep_is_worker() ? worker() : primary();
}
