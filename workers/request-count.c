/* SPDX-License-Identifier: MIT
 * Workers tell the primary of each request (incrementRequestCount), the primary counts for each
 * worker and sends it its requestCount every interval. A replaced worker counts from 0. skep_count makes one
 * command of many requests, and so the primary logs its counts every interval and not at each request. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    unsigned workers;
    unsigned interval_s;
} options = {.listen = "tcp://*:8000", .interval_s = 10};

/* --- Primary --- */

static void on_interval(uv_timer_t *timer) {
    skep_cluster *cluster = timer->data;
    const char *comma = "";
    printf("Total request counts: {");
    for (skep_child *each = skep_child_next(cluster, NULL); each; each = skep_child_next(cluster, each), comma = ", ")
        printf("%s%u: %llu", comma, skep_child_id(each), (unsigned long long)skep_child_requests(each));
    printf("}\n");
}

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    skep_child *child = event->child;
    printf("Worker %u (pid %d) died; it had handled %llu requests\n", skep_child_id(child), (int)skep_child_pid(child),
           (unsigned long long)skep_child_requests(child));
    if (primary_give_up(cluster, event, workers_status)) return;
    if (skep_child_exited_after_disconnect(child) != 1) primary_fork_again(cluster, event);
}

/* The counting itself is the cluster's: this sets the interval of the workers' messages and of its own log. */
static int count(skep_cluster *cluster, uv_timer_t *timer) {
    skep_settings settings = {.interval_ms = options.interval_s * 1000};
    uv_timer_init(skep_cluster_loop(cluster), timer);
    timer->data = cluster;
    uv_timer_start(timer, on_interval, settings.interval_ms, settings.interval_ms);
    uv_unref((uv_handle_t *)timer); /* it does not keep a cluster without workers */
    return skep_setup_primary(cluster, &settings);
}

static int primary(void) {
    skep_cluster *cluster = NULL;
    static uv_timer_t interval;
    int workers_status = 0;
    printf("Master %d is running\n", (int)getpid());
    int status = skep_cluster_new(&cluster, NULL);
    if (!status) status = count(cluster, &interval);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_worker_exit, &workers_status);
    if (!status) status = primary_work(cluster, options.workers);
    status = primary_end("request-count", cluster, status, workers_status);
    if (cluster) uv_close((uv_handle_t *)&interval, NULL);
    skep_cluster_free(&cluster);
    return status;
}

/* --- Worker --- */

static unsigned local_count;

static void answer(http_request *request, const char *path, void *worker) {
    (void)path;
    skep_count(worker, "requests", 1);
    local_count++;
    http_reply(request, 200, "Hello from Worker %d, I've handled %u requests locally\n", (int)getpid(), local_count);
}

static void on_request_count(skep_worker *worker, uint64_t requests, void *context) {
    (void)worker, (void)context;
    printf("Worker %d has handled %llu requests according to master\n", (int)getpid(), (unsigned long long)requests);
}

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)server, (void)listener;
    skep_on_request_count(self, on_request_count, NULL);
    printf("Worker %d started\n", (int)getpid());
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(
        argc, argv, "Counts requests in each worker and, by messages, in the primary.",
        (struct option_row[]){OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                              OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
                              OPTION_NUMBER("interval", "S", "seconds between counts", &options.interval_s, 1, 86400),
                              OPTION_END});
    return skep_is_worker() ? http_serve("request-count", options.listen, answer, listening) : primary();
}
