/* SPDX-License-Identifier: MIT
 * A cluster with a worker for each processor. The primary logs what happens to its workers; each worker
 * answers "Hello, World!" on port 3000. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    unsigned workers;
    bool log_requests;
} options = {.listen = "tcp://*:3000"};

/* --- Primary --- */

static void on_online(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    printf("Worker %d is online.\n", (int)skep_child_pid(event->child));
}

static void on_exit_event(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    char code[16] = "null", signal[16] = "null";
    if (event->code >= 0) snprintf(code, sizeof code, "%d", event->code);
    if (event->signal >= 0) snprintf(signal, sizeof signal, "%d", event->signal);
    printf("Worker %d died with code %s and signal %s.\n", (int)skep_child_pid(event->child), code, signal);
    primary_give_up(cluster, event, workers_status);
}

static void on_message(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    printf("Message from worker %d: %s %.*s\n", (int)skep_child_pid(event->child), event->name, (int)event->size_bytes,
           event->size_bytes ? (const char *)event->data : "");
}

static int primary(void) {
    skep_cluster *cluster = NULL;
    int workers_status = 0;
    int status = skep_cluster_new(&cluster, NULL);
    if (!status) status = skep_on(cluster, SKEP_EVENT_ONLINE, on_online, NULL);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_exit_event, &workers_status);
    if (!status) status = skep_on(cluster, SKEP_EVENT_MESSAGE, on_message, NULL);
    if (!status) status = skep_cluster_stop_on_signals(cluster);
    for (unsigned i = 0; !status && i < options.workers; i++) status = skep_fork(cluster, NULL, NULL);
    if (!status) status = skep_cluster_run(cluster);
    status = primary_end("hello", cluster, status, workers_status);
    skep_cluster_free(&cluster);
    return status;
}

/* --- Worker --- */

static void answer(http_request *request, const char *path, void *context) {
    skep_worker *worker = context;
    if (options.log_requests) printf("Worker %u answers %s.\n", skep_worker_id(worker), path);
    http_reply_constant(request, "text/plain", "Hello, World!");
    skep_count(worker, "requests", 1);
}

static int serve(skep_worker *self, http *server) {
    skep_listener *listener;
    if (skep_listen(self, options.listen, http_connection, server, &listener))
        return worker_cannot_listen("hello", options.listen, skep_worker_why(self));
    const char *url = skep_listener_url(listener);
    printf("Worker %u is listening on %s.\n", skep_worker_id(self), url);
    int status = skep_send(self, "listening on", url, strlen(url));
    return worker_end(status ? status : skep_worker_run(self));
}

static int worker(void) {
    skep_worker *self = NULL;
    http *server = NULL;
    int status = skep_worker_new(&self, NULL);
    if (!status) status = http_new(&server, self, answer, self);
    status = status ? worker_stray("hello", status) : serve(self, server);
    http_free(&server);
    skep_worker_free(&self);
    return status;
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Answers \"Hello, World!\" on every processor.",
                 (struct option_row[]){
                     OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                     OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
                     OPTION_FLAG("log-requests", "log each request with the worker's id", &options.log_requests),
                     OPTION_END});
    return skep_is_worker() ? worker() : primary();
}
