/* SPDX-License-Identifier: MIT
 * "An example of clusters" on port 3000, with either way of distributing connections (--policy). With
 * --tour it shows each property, method and event of Node's cluster, in the order of a worker's life, and ends by
 * itself. */
#include <signal.h>
#include <skep/cluster.h>
#include <skep/worker.h>

#include "http.h"
#include "program.h"

static struct {
    const char *listen;
    const char *policy; /* NULL: SKEP_POLICY of the environment, else round robin */
    unsigned workers;
    bool tour;
} options = {.listen = "tcp://*:3000"};

/* --- Primary --- */

static void on_worker_exit(skep_cluster *cluster, const skep_event *event, void *workers_status) {
    printf("worker with Process ID : %d died\n", (int)skep_child_pid(event->child));
    primary_give_up(cluster, event, workers_status);
}

/* --- Primary, the tour: worker 1 gets a message and is killed, worker 2 is disconnected, then all are --- */

static const char *yes_no(bool yes) {
    return yes ? "true" : "false";
}

static void show(const skep_child *child) {
    static const char *const voluntary[] = {"undefined", "false", "true"};
    printf("  worker.id %u, worker.process %d, isConnected() %s, isDead() %s, exitedAfterDisconnect %s\n",
           skep_child_id(child), (int)skep_child_pid(child), yes_no(skep_child_is_connected(child)),
           yes_no(skep_child_is_dead(child)), voluntary[skep_child_exited_after_disconnect(child) + 1]);
}

static void on_cluster_event(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    printf("cluster event: %s", skep_event_name(event->kind));
    if (event->child) printf(", worker %u", skep_child_id(event->child));
    if (event->url) printf(", %s", event->url);
    if (event->reason) printf(", %s", event->reason);
    printf("\n");
}

static void on_worker_event(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    printf("worker event: %s, worker %u\n", skep_event_name(event->kind), skep_child_id(event->child));
}

/* A step of the tour that failed is shown like one that did not. */
static void step(const char *name, int status) {
    printf("%s: %s\n", name, skep_strerror(status));
}

static void on_tour_listening(skep_cluster *cluster, const skep_event *event, void *count) {
    (void)event;
    if (++*(unsigned *)count != options.workers) return;
    printf("cluster.workers:\n");
    for (skep_child *each = skep_child_next(cluster, NULL); each; each = skep_child_next(cluster, each)) show(each);
    step("worker.send()", skep_child_send(skep_child_by_id(cluster, 1), "greeting", "hello", 5));
}

static void on_tour_message(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster, (void)context;
    printf("worker %u says: %.*s\n", skep_child_id(event->child), (int)event->size_bytes, (const char *)event->data);
    step("worker.kill()", skep_child_kill(event->child, SIGKILL));
}

static void on_all_disconnected(skep_cluster *cluster, void *context) {
    (void)cluster, (void)context;
    printf("cluster.disconnect(): all workers have disconnected\n");
}

static void on_tour_exit(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)context;
    show(event->child);
    step("worker.send() to the dead", skep_child_send(event->child, "greeting", "hello", 5));
    if (skep_child_id(event->child) == 1) {
        skep_child_disconnect(skep_child_by_id(cluster, 2));
        printf("worker.disconnect()\n");
    } else if (skep_child_id(event->child) == 2) {
        skep_cluster_disconnect(cluster, on_all_disconnected, NULL);
    }
}

static int begin_tour(skep_cluster *cluster, unsigned *listening) {
    int status = SKEP_OK;
    printf("cluster.isMaster %s, cluster.isWorker %s\n", yes_no(skep_is_primary()), yes_no(skep_is_worker()));
    for (int kind = 0; !status && kind < SKEP_EVENT_KINDS; kind++)
        status = skep_on(cluster, (enum skep_event_kind)kind, on_cluster_event, NULL);
    if (!status) status = skep_on(cluster, SKEP_EVENT_LISTENING, on_tour_listening, listening);
    if (!status) status = skep_on(cluster, SKEP_EVENT_MESSAGE, on_tour_message, NULL);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_tour_exit, NULL);
    return status;
}

static int fork_tour(skep_cluster *cluster) {
    static const enum skep_event_kind kinds[] = {SKEP_EVENT_ONLINE,     SKEP_EVENT_LISTENING, SKEP_EVENT_MESSAGE,
                                                 SKEP_EVENT_DISCONNECT, SKEP_EVENT_EXIT,      SKEP_EVENT_ERROR};
    skep_child *child;
    int status = skep_fork(cluster, NULL, &child);
    step("cluster.fork()", status);
    for (size_t i = 0; !status && i < sizeof kinds / sizeof *kinds; i++)
        status = skep_child_on(child, kinds[i], on_worker_event, NULL);
    return status;
}

/* --- Primary, with a tour or without --- */

static int set_up(skep_cluster *cluster) {
    skep_settings settings = {.policy = SKEP_POLICY_DEFAULT};
    if (options.policy && skep_policy_parse(options.policy, &settings.policy))
        PROGRAM_REFUSE("cluster-example: no policy is called '%s'", options.policy);
    int status = skep_setup_primary(cluster, &settings);
    if (status || !options.tour) return status;
    const skep_settings *now = skep_cluster_settings(cluster);
    printf("cluster.setupMaster(): cluster.settings.exec %s\n", now->exec);
    printf("cluster.schedulingPolicy %s\n", skep_policy_name(now->policy));
    return SKEP_OK;
}

static int primary(void) {
    skep_cluster *cluster = NULL;
    int workers_status = 0;
    unsigned listening = 0;
    printf("Master with Process ID : %d is running\n", (int)getpid());
    int status = skep_cluster_new(&cluster, NULL);
    if (!status && options.tour) status = begin_tour(cluster, &listening);
    if (!status) status = set_up(cluster);
    if (!status) status = skep_on(cluster, SKEP_EVENT_EXIT, on_worker_exit, &workers_status);
    if (!status) status = skep_cluster_stop_on_signals(cluster);
    for (unsigned i = 0; !status && i < options.workers; i++)
        status = options.tour ? fork_tour(cluster) : skep_fork(cluster, NULL, NULL);
    if (!status) status = skep_cluster_run(cluster);
    status = primary_end("cluster-example", cluster, status, workers_status);
    skep_cluster_free(&cluster);
    return status;
}

/* --- Worker --- */

static void answer(http_request *request, const char *path, void *worker) {
    (void)path;
    http_reply_constant(request, "text/plain", "An example of clusters\n");
    skep_count(worker, "requests", 1);
}

/* cluster.worker */
static void on_message(skep_worker *self, const skep_message *message, void *context) {
    char text[128];
    (void)context;
    int length = snprintf(text, sizeof text, "I am cluster.worker, id %u, isConnected() %s, and got a %s",
                          skep_worker_id(self), yes_no(skep_worker_is_connected(self)), message->name);
    if (skep_send(self, "reply", text, (size_t)length)) fprintf(stderr, "cluster-example: %s\n", skep_worker_why(self));
}

static void listening(skep_worker *self, http *server, skep_listener *listener) {
    (void)server, (void)listener;
    skep_on_message(self, on_message, NULL);
    printf("Worker with Process ID : %d started\n", (int)getpid());
}

int main(int argc, char **argv) {
    options.workers = program_cpus();
    options_read(argc, argv, "Answers \"An example of clusters\" on every processor.",
                 (struct option_row[]){
                     OPTION_TEXT("listen", "URL", "where to listen", &options.listen),
                     OPTION_NUMBER("workers", "N", "workers to fork", &options.workers, 1, 1000),
                     OPTION_TEXT("policy", "POLICY", "round-robin, least-connections, sticky, shared or reuseport",
                                 &options.policy),
                     OPTION_FLAG("tour", "show each property, method and event; needs 3 workers", &options.tour),
                     OPTION_END});
    if (options.tour && options.workers < 3) options.workers = 3;
    return skep_is_worker() ? http_serve("cluster-example", options.listen, answer, listening) : primary();
}
