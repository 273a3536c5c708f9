/* SPDX-License-Identifier: MIT
 * Two workers answer a page on port 5000; whenever one ends, however it ended, another is
 * forked. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    unsigned workers;
} options = {.listen = "tcp://*:5000", .workers = 2};

/* Node's program prints the primary's pid here; that of the worker that stopped is more useful. */
static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    printf("this process stopped %d\n", (int)skep_child_pid(event->child));
    if (!primary_give_up(cluster, event, workers_status)) primary_fork_again(cluster, event);
}

static int primary(void) {
    printf("this is the primary %d\n", (int)getpid());
    return primary_run("page", options.workers, on_worker_exit, NULL);
}

/* As express does: GET / has a route, anything else has none. */
static void answer(http_request *request, const char *path, void *worker) {
    if (strcmp(path, "/") == 0) http_reply_constant(request, "text/html; charset=utf-8", "<h1>Hi \U0001F44B</h1>");
    else http_reply(request, 404, "Cannot GET %s\n", path);
    skep_count(worker, "requests", 1);
}

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)self, (void)server, (void)listener;
    printf("Listening\n");
}

int main(int argc, char **argv) {
    options_read(argc, argv, "Answers a page from two workers, and forks another one whenever one ends.",
                 (struct option_row[]){OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                                       OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000), //
                                       OPTION_END});
    return skep_is_worker() ? http_serve("page", options.listen, answer, listening) : primary();
}
