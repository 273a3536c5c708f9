/* SPDX-License-Identifier: MIT
 * Restarts every worker without downtime. For each in turn a new one is forked, and once that
 * listens the old one is disconnected: it finishes what it has and leaves. Workers that die unexpectedly are
 * replaced at any time. */
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

enum { MOST_WORKERS = 1000 };

static struct {
    const char *listen;
    unsigned workers;
    unsigned after_s;
    unsigned pause_ms;
} options = {.listen = "tcp://*:8000", .after_s = 20, .pause_ms = 1000};

/* --- Primary --- */

struct rolling {
    skep_cluster *cluster;
    uint32_t workers[MOST_WORKERS]; /* their ids; 0 is an empty place, which the next fork fills */
    unsigned place;                 /* whose turn it is */
    uint32_t coming;                /* the new worker for that place until it listens; 0 if there is none */
    unsigned failed;                /* new workers that died before that */
    uv_timer_t timer;               /* until the restart, then the pause before the next worker */
    int workers_status;
};

static uint32_t *place_of(struct rolling *rolling, uint32_t id) {
    for (unsigned i = 0; i < options.workers; i++)
        if (rolling->workers[i] == id) return &rolling->workers[i];
    return NULL;
}

/* Whether a place is empty and nobody is on the way to it. */
static bool is_free(const struct rolling *rolling, unsigned place) {
    return rolling->workers[place] == 0 && !(rolling->coming && rolling->place == place);
}

static void on_fork(skep_cluster *cluster, const skep_event *event, void *context) {
    struct rolling *rolling = context;
    unsigned place = 0;
    (void)cluster;
    if (skep_child_id(event->child) == rolling->coming) return;
    while (place < options.workers && !is_free(rolling, place)) place++;
    if (place < options.workers) rolling->workers[place] = skep_child_id(event->child);
}

static void restart_worker(uv_timer_t *timer) {
    struct rolling *rolling = timer->data;
    if (rolling->place == options.workers) {
        if (rolling->failed) printf("%u workers could not be restarted\n", rolling->failed);
        else printf("All workers restarted successfully!\n");
        return;
    }
    skep_child *new_worker;
    const skep_child *old = skep_child_by_id(rolling->cluster, rolling->workers[rolling->place]);
    printf("Restarting worker %d...\n", old ? (int)skep_child_pid(old) : 0);
    int status = skep_fork(rolling->cluster, NULL, &new_worker);
    if (!status) rolling->coming = skep_child_id(new_worker);
    else if (status != SKEP_ESTATE) fprintf(stderr, "rolling: %s\n", skep_cluster_why(rolling->cluster));
}

static void restart_workers(uv_timer_t *timer) {
    printf("Starting zero-downtime restart...\n");
    restart_worker(timer);
}

static void restart_next(struct rolling *rolling) {
    rolling->coming = 0;
    rolling->place++;
    uv_timer_start(&rolling->timer, restart_worker, options.pause_ms, 0);
}

/* Once the new worker is listening, the old one may go. */
static void on_listening(skep_cluster *cluster, const skep_event *event, void *context) {
    struct rolling *rolling = context;
    if (skep_child_id(event->child) != rolling->coming) return;
    uint32_t *place = &rolling->workers[rolling->place];
    skep_child *old = *place ? skep_child_by_id(cluster, *place) : NULL;
    *place = rolling->coming;
    if (old) skep_child_disconnect(old);
    restart_next(rolling);
}

/* The new worker died first: the old one goes on serving, and the next one's turn comes. */
static void on_failed(struct rolling *rolling, const skep_event *event) {
    uint32_t old = rolling->workers[rolling->place];
    printf("New worker %d died before it listened\n", (int)skep_child_pid(event->child));
    rolling->failed++;
    restart_next(rolling);
    if (!old) primary_fork_again(rolling->cluster, event);
}

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *context) {
    struct rolling *rolling = context;
    uint32_t id = skep_child_id(event->child);
    if (id == rolling->coming) {
        on_failed(rolling, event);
        return;
    }
    uint32_t *place = place_of(rolling, id);
    if (!place || primary_give_up(cluster, event, &rolling->workers_status)) return;
    *place = 0;
    if (skep_child_exited_after_disconnect(event->child) == 1) return;
    printf("Worker %d died unexpectedly, replacing it...\n", (int)skep_child_pid(event->child));
    if (is_free(rolling, (unsigned)(place - rolling->workers))) primary_fork_again(cluster, event);
}

/* By the program's path and not, as is the default, the file that runs now: so a restart brings in an update. */
static int begin(struct rolling *rolling, const char *program) {
    skep_settings settings = {.exec = program};
    uv_timer_init(skep_cluster_loop(rolling->cluster), &rolling->timer);
    rolling->timer.data = rolling;
    uv_timer_start(&rolling->timer, restart_workers, options.after_s * 1000ull, 0);
    uv_unref((uv_handle_t *)&rolling->timer); /* it does not keep a cluster without workers */
    int status = skep_setup_primary(rolling->cluster, &settings);
    if (!status) status = skep_on(rolling->cluster, SKEP_EVENT_FORK, on_fork, rolling);
    if (!status) status = skep_on(rolling->cluster, SKEP_EVENT_LISTENING, on_listening, rolling);
    if (!status) status = skep_on(rolling->cluster, SKEP_EVENT_EXIT, on_worker_exit, rolling);
    return status;
}

static int primary(const char *program) {
    static struct rolling rolling;
    printf("Master %d is running\n", (int)getpid());
    int status = skep_cluster_new(&rolling.cluster, NULL);
    skep_cluster *cluster = rolling.cluster;
    if (!status) status = begin(&rolling, program);
    if (!status) status = primary_work(cluster, options.workers);
    status = primary_end("rolling", cluster, status, rolling.workers_status);
    if (cluster) uv_close((uv_handle_t *)&rolling.timer, NULL);
    skep_cluster_free(&cluster);
    return status;
}

/* --- Worker --- */

static uint64_t started_ns;

static void answer(http_request *request, const char *path, void *worker) {
    double uptime_s = (double)(uv_hrtime() - started_ns) / 1e9;
    (void)path;
    http_reply(request, 200, "Worker %d responding, uptime: %.2f seconds\n", (int)getpid(), uptime_s);
    skep_count(worker, "requests", 1);
}

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)self, (void)server, (void)listener;
    started_ns = uv_hrtime();
    printf("Worker %d started\n", (int)getpid());
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Restarts its workers one by one while they serve.",
                 (struct option_row[]){
                     OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                     OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, MOST_WORKERS),
                     OPTION_NUMBER("after", "S", "seconds until the restart", &options.after_s, 0, 1000000),
                     OPTION_NUMBER("pause-ms", "MS", "between one worker and the next", &options.pause_ms, 0, 3600000),
                     OPTION_END});
    return skep_is_worker() ? http_serve("rolling", options.listen, answer, listening) : primary(argv[0]);
}
