/* SPDX-License-Identifier: MIT
 * What the broker says of the job benches' queue and its workers. */
#include "skep_jobs_view.h"

#include <string.h>
#include <unistd.h>

#include "figures.h"
#include "must.h"
#include "skep_jobs.h"

enum { ANSWER_MS = 30000 };

static void take_queue(struct jobs_view *view, const skep_queue_info *queue) {
    if (strcmp(queue->name, JOBS_QUEUE) != 0) return;
    view->submitted = queue->submitted;
    view->done = queue->done;
}

static void take_worker(struct jobs_view *view, const skep_worker_info *worker) {
    if (view->workers == JOBS_MAX_WORKERS) exit(1);
    view->ids[view->workers] = worker->id;
    view->requests[view->workers++] = worker->requests;
}

static void take(skep_client *client, int status, const skep_broker_info *info, void *context) {
    (void)client;
    bench_must(status, "status");
    struct jobs_view *view = context;
    *view = (struct jobs_view){.at_ns = bench_now_ns(), .pid = info->pid};
    for (size_t i = 0; i < info->queue_count; i++) take_queue(view, &info->queues[i]);
    for (size_t i = 0; i < info->worker_count; i++) take_worker(view, &info->workers[i]);
}

void jobs_look(skep_client *client, struct jobs_view *view) {
    bench_must(skep_status_wait(client, ANSWER_MS, take, view), "status");
}

/* Workers are never replaced during a bench: the same ones come in the same order. */
static uint64_t counted_by(const struct jobs_view *before, const struct jobs_view *after, size_t i) {
    if (before->workers != after->workers || before->ids[i] != after->ids[i]) {
        fprintf(stderr, "a worker was replaced\n");
        exit(1);
    }
    return after->requests[i] - before->requests[i];
}

uint64_t jobs_counted(const struct jobs_view *before, const struct jobs_view *after) {
    uint64_t sum = 0;
    for (size_t i = 0; i < after->workers; i++) sum += counted_by(before, after, i);
    return sum;
}

double jobs_spread(const struct jobs_view *before, const struct jobs_view *after) {
    double mean = (double)jobs_counted(before, after) / (double)after->workers;
    double most = 0;
    for (size_t i = 0; i < after->workers; i++) {
        double off = (double)counted_by(before, after, i) - mean;
        if (off < 0) off = -off;
        if (off > most) most = off;
    }
    return most / mean;
}

uint64_t jobs_rss_bytes(const struct jobs_view *view) {
    char path[64];
    unsigned long long size = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)view->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%llu %llu", &size, &resident) != 2) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
