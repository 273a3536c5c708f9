/* SPDX-License-Identifier: MIT
 * How long connections, requests and jobs took: noted here, where they happen, and sent together as histograms. */
#include "worker/private.h"

enum {
    GATHER_MS = 250, /* how long durations gather */
    LEAST_BEGUN = 64 /* descriptors that there is room for at first */
};

/* --- sending --- */

static void gathered(uv_timer_t *timer) {
    skep__worker_send_times(timer->data);
}

/* To be called for each duration: what is noted now leaves soon. */
static void noted(skep_worker *worker) {
    if (worker->times.waiting || worker->link < 0) return;
    worker->times.waiting = true;
    uv_timer_start(&worker->timers[SKEP__TIMER_TIMES], gathered, GATHER_MS, 0);
}

/* queue is NULL for what is no job. */
static bool send_histogram(skep_worker *worker, const char *what, const struct skep__worker_queue *queue,
                           struct skep_histogram *histogram) {
    char packed[SKEP_MAX_TIMES];
    size_t size_bytes;
    if (histogram->total == 0) return true;
    if (skep__histogram_pack(histogram, packed, sizeof packed, &size_bytes) != SKEP_OK) return false;
    struct skep_command command = {.id = SKEP_COMMAND_handled,
                                   .handled = {.what = skep__text(what), .times = {packed, size_bytes}}};
    struct skep_command_handled *h = &command.handled;
    if (queue != NULL) SKEP_SET(handled, h, queue, ((struct skep_bytes){queue->name, queue->name_bytes}));
    if (skep__worker_put(worker, &command) != SKEP_OK) return false;
    skep__histogram_clear(histogram);
    return true;
}

/* What cannot leave now stays for the next time. */
void skep__worker_send_times(skep_worker *worker) {
    struct skep__times *times = &worker->times;
    if (!times->waiting || worker->link < 0) return;
    times->waiting = false;
    bool all = send_histogram(worker, "connection", NULL, &times->connections);
    if (!send_histogram(worker, "request", NULL, &times->requests)) all = false;
    for (unsigned i = 0; i < worker->jobs.queue_count; i++) {
        struct skep__worker_queue *queue = &worker->jobs.queues[i];
        if (!send_histogram(worker, "job", queue, &queue->times)) all = false;
    }
    if (!all) noted(worker);
}

/* --- noting --- */

/* Without memory a duration is missing from the statistics, and nothing else. */
static void note(skep_worker *worker, struct skep_histogram *histogram, uint64_t duration_ns) {
    if (skep__histogram_record(histogram, duration_ns) == SKEP_OK) noted(worker);
}

void skep_request_handled(skep_worker *worker, uint64_t duration_ns) {
    note(worker, &worker->times.requests, duration_ns);
}

void skep__worker_job_took(skep_worker *worker, struct skep__worker_queue *queue, uint64_t duration_ns) {
    note(worker, &queue->times, duration_ns);
}

static bool make_room(struct skep__times *times, size_t fd) {
    size_t room = times->begun_room > 0 ? times->begun_room : LEAST_BEGUN;
    while (room <= fd) room *= 2;
    if (room == times->begun_room) return true;
    uint64_t *begun_ns = realloc(times->begun_ns, room * sizeof *begun_ns);
    if (begun_ns == NULL) return false;
    memset(begun_ns + times->begun_room, 0, (room - times->begun_room) * sizeof *begun_ns);
    times->begun_ns = begun_ns;
    times->begun_room = room;
    return true;
}

void skep__worker_connection_begun(skep_worker *worker, int fd) {
    if (make_room(&worker->times, (size_t)fd)) worker->times.begun_ns[fd] = uv_hrtime();
}

/* A descriptor that no connection arrived with is none to be timed. */
void skep__worker_connection_ended(skep_worker *worker, int fd) {
    struct skep__times *times = &worker->times;
    if (fd < 0 || (size_t)fd >= times->begun_room || times->begun_ns[fd] == 0) return;
    note(worker, &times->connections, uv_hrtime() - times->begun_ns[fd]);
    times->begun_ns[fd] = 0;
}

void skep__worker_free_times(skep_worker *worker) {
    skep__histogram_free(&worker->times.connections);
    skep__histogram_free(&worker->times.requests);
    for (unsigned i = 0; i < worker->jobs.queue_count; i++) skep__histogram_free(&worker->jobs.queues[i].times);
    free(worker->times.begun_ns);
}
