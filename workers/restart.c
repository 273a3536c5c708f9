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
    const char *const *arguments; /* its own */
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
static int set_up(skep_cluster *cluster) {
    skep_settings settings = {.exec = options.exec, .args = options.arguments};
    int status = options.exec ? skep_setup_primary(cluster, &settings) : SKEP_OK;
    return status ? status : skep_on(cluster, SKEP_EVENT_MESSAGE, on_message, NULL);
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

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)self, (void)listener;
    http_on_replied(server, die_of_it);
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
    options.arguments = (const char *const *)(argv + rest);
    return skep_is_worker() ? http_serve("restart", options.listen, answer, listening)
                            : primary_run("restart", options.workers, on_worker_exit, set_up);
}
