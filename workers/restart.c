/* SPDX-License-Identifier: MIT
 * A primary forks a worker for each processor, of this program or of another (--exec), and
 * forks again whenever one bites the dust. The worker here has a small memory leak, which would take a service down
 * in two weeks; it dies of it after some requests, and nobody notices.
 *
 * Nothing is shared but messages: primary and workers each have a copy of `served` of their own. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    const char *exec;
    unsigned workers;
    unsigned leak_kib;
    unsigned limit_kib;
} options = {.listen = "tcp://*:8000", .leak_kib = 64, .limit_kib = 65536};

static unsigned served; /* in a worker: by this worker; in the primary: by all, as their messages say */

/* --- Primary --- */

static void on_message(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    if (strcmp(event->name, "served") == 0) served++;
}

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    printf("%d bit the dust; %u requests served so far\n", (int)skep_child_pid(event->child), served);
    if (!primary_give_up(cluster, event, workers_status)) primary_fork_again(cluster, event);
}

/* cluster.setupMaster({exec}): workers run another program, with the arguments after "--". */
static int set_up(skep_cluster *cluster, char **arguments) {
    skep_settings settings = {.exec = options.exec, .args = (const char *const *)arguments};
    return options.exec ? skep_setup_primary(cluster, &settings) : SKEP_OK;
}

static int primary(char **arguments) {
    skep_cluster *cluster = NULL;
    int workers_status = 0;
    int status = skep_cluster_new(&cluster, NULL);
    if (!status) status = set_up(cluster, arguments);
    if (!status) status = skep_on(cluster, SKEP_EVENT_MESSAGE, on_message, NULL);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_worker_exit, &workers_status);
    if (!status) status = skep_cluster_stop_on_signals(cluster);
    for (unsigned i = 0; !status && i < options.workers; i++) status = skep_fork(cluster, NULL, NULL);
    if (!status) status = skep_cluster_run(cluster);
    status = primary_end("restart", cluster, status, workers_status);
    skep_cluster_free(&cluster);
    return status;
}

/* --- Worker --- */

struct leak {
    struct leak *next;
    char bytes[1008];
};

static struct leak *leaked; /* nobody ever looks at it again */

static void leak(unsigned kib) {
    for (; kib > 0; kib--) {
        struct leak *more = malloc(sizeof *more);
        if (!more) exit(EXIT_FAILURE);
        memset(more, 0, sizeof *more);
        more->next = leaked;
        leaked = more;
    }
}

static void answer(http_request *request, const char *path, void *worker) {
    (void)path;
    leak(options.leak_kib);
    served++;
    http_reply(request, 200, "Worker %d has served %u requests and leaked %u KiB\n", (int)getpid(), served,
               served * options.leak_kib);
    skep_count(worker, "requests", 1);
    if (skep_send(worker, "served", NULL, 0)) fprintf(stderr, "restart: %s\n", skep_worker_why(worker));
}

static void die_of_it(void *context) {
    (void)context;
    if (served * options.leak_kib < options.limit_kib) return;
    fprintf(stderr, "restart: %d is out of memory\n", (int)getpid());
    exit(EXIT_FAILURE);
}

static int serve(skep_worker *self, http *server) {
    http_on_replied(server, die_of_it);
    if (skep_listen(self, options.listen, http_connection, server, NULL))
        return worker_cannot_listen("restart", options.listen, skep_worker_why(self));
    return worker_end(skep_worker_run(self));
}

static int worker(void) {
    skep_worker *self = NULL;
    http *server = NULL;
    int status = skep_worker_new(&self, NULL);
    if (!status) status = http_new(&server, self, answer, self);
    status = status ? worker_stray("restart", status) : serve(self, server);
    http_free(&server);
    skep_worker_free(&self);
    return status;
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    int rest = options_read(
        argc, argv, "Forks another worker whenever one ends. Arguments of the --exec program follow --.",
        (struct option_row[]){
            OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
            OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
            OPTION_TEXT("exec", "PROGRAM", "program to run as worker; searched in PATH if it has no slash",
                        &options.exec),
            OPTION_NUMBER("leak-kib", "KIB", "leaked by each request", &options.leak_kib, 0, 65536),
            OPTION_NUMBER("limit-kib", "KIB", "leaked when a worker crashes", &options.limit_kib, 1, 1048576),
            OPTION_END});
    return skep_is_worker() ? worker() : primary(argv + rest);
}
