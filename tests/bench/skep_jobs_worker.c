/* SPDX-License-Identifier: MIT
 * The worker of the job benches. KIND says what it does with a job:
 *   plain   reads it
 *   counted the same, and counts it as a request, so that status tells who did how many
 *   held    the same as plain, but not before it is asked to begin
 *   echo    returns the payload as the result
 *   named   works 20 µs and returns its own id
 *   slow    the same, but the first worker waits 2 ms for something instead */
#include <string.h>
#include <time.h>

#include "figures.h"
#include "jobs.h"
#include "must.h"
#include "skep_jobs.h"

enum { WORK_NS = 20000, SLOW_NS = 100 * WORK_NS };

struct handler {
    const struct kind *kind;
    uint64_t sum;
};

struct kind {
    const char *name;
    skep_job_cb handle;
    bool held;
};

static skep_verdict plain(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    struct handler *handler = context;
    bench_do(&handler->sum, job->data, job->size_bytes);
    return SKEP_DONE;
}

static skep_verdict counted(skep_worker *worker, skep_job *job, void *context) {
    skep_count(worker, "requests", 1);
    return plain(worker, job, context);
}

static skep_verdict echo(skep_worker *worker, skep_job *job, void *context) {
    bench_must(skep_job_result(job, job->data, job->size_bytes), "result");
    return plain(worker, job, context);
}

static skep_verdict sign(skep_worker *worker, skep_job *job) {
    uint32_t id = skep_worker_id(worker);
    bench_must(skep_job_result(job, &id, sizeof id), "result");
    return SKEP_DONE;
}

static skep_verdict named(skep_worker *worker, skep_job *job, void *context) {
    (void)context;
    uint64_t until_ns = bench_now_ns() + WORK_NS;
    while (bench_now_ns() < until_ns) continue;
    return sign(worker, job);
}

/* Waits, as for a slow disk or a slow server: if it used the processor it would slow everybody down on a small machine,
 * whatever the broker does. */
static skep_verdict slow(skep_worker *worker, skep_job *job, void *context) {
    if (skep_worker_id(worker) != JOBS_SLOW_WORKER) return named(worker, job, context);
    struct timespec time = {.tv_nsec = SLOW_NS};
    nanosleep(&time, NULL);
    return sign(worker, job);
}

static const struct kind kinds[] = {
    {"plain", plain, false}, {"counted", counted, false}, {"held", plain, true},
    {"echo", echo, false},   {"named", named, false},     {"slow", slow, false},
};

static const struct kind *kind_of(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    }
    return NULL;
}

static void begin(skep_worker *worker, const skep_message *message, void *context) {
    struct handler *handler = context;
    if (strcmp(message->name, JOBS_BEGIN) != 0) return;
    bench_must(skep_on_job(worker, JOBS_QUEUE, handler->kind->handle, handler), "handle");
    if (message->request != 0) {
        bench_must(skep_reply(worker, message->from, message->request, SKEP_OK, NULL, 0), "reply");
    }
}

int jobs_work(int argc, char **argv) {
    struct handler handler = {.kind = argc == 1 ? kind_of(argv[0]) : NULL};
    skep_worker *worker = NULL;
    if (handler.kind == NULL) return JOBS_USAGE;
    bench_must(skep_worker_new(&worker, NULL), "worker");
    if (handler.kind->held) skep_on_message(worker, begin, &handler);
    else bench_must(skep_on_job(worker, JOBS_QUEUE, handler.kind->handle, &handler), "handle");
    int status = skep_worker_run(worker);
    skep_worker_free(&worker);
    bench_sum_print(handler.sum);
    return skep_exit_status(status);
}
