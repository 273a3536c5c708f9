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
    printf("Master %d is running\n", (int)getpid());
    return primary_run("hello-8000", options.workers, on_worker_exit, NULL);
}

static void answer(http_request *request, const char *path, void *worker) {
    (void)path;
    http_reply_constant(request, "text/plain", "Hello, world!\n");
    skep_count(worker, "requests", 1);
}

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)self, (void)server;
    printf("Worker %d started and listening on %s\n", (int)getpid(), skep_listener_url(listener));
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Answers \"Hello, world!\" on every processor.",
                 (struct option_row[]){OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                                       OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000), //
                                       OPTION_END});
    return skep_is_worker() ? http_serve("hello-8000", options.listen, answer, listening) : primary();
}
