/* SPDX-License-Identifier: MIT
 * How a worker leaves: when nothing of it is live any more, and the broker has read all that it sent. */
#include "worker/private.h"

enum { ORPHAN_TIMEOUT_MS = 10000 /* for live connections after the broker is gone */ };

void skep__worker_close_link(skep_worker *worker, int result) {
    if (worker->link < 0) return;
    worker->phase = SKEP__WORKER_LEFT;
    worker->result = result;
    skep__worker_close_listeners(worker);
    uv_poll_stop(&worker->link_poll);
    close(worker->link);
    worker->link = -1;
    for (unsigned i = 0; i < SKEP__TIMERS; i++) uv_timer_stop(&worker->timers[i]);
    skep__worker_fail_requests(worker, SKEP_ECLOSED);
}

/* The broker's end-of-file says that it has read everything. NNG cannot tell: the broker is asked. */
static bool all_is_read(skep_worker *worker) {
    if (worker->all_read) return true;
    if (!skep__outlet_is_empty(worker->outbox)) return false; /* drained follows */
    worker->finishing = skep__outlet_finish(worker->outbox);
    return !worker->finishing && skep__worker_is_confirmed(worker);
}

static bool send_last(skep_worker *worker) {
    skep__worker_send_counts(worker);
    skep__worker_send_times(worker);
    skep__worker_report(worker);
    return skep__worker_send_acks(worker);
}

/* Handles of the user's would keep the loop alive, and there is no broker that would end the process. */
static void end_orphan(skep_worker *worker) {
    skep__worker_close_link(worker, worker->result);
    uv_stop(worker->loop);
}

static void leave_if_idle(skep_worker *worker) {
    bool is_idle = worker->live == 0 && worker->jobs.kept_count == 0 && worker->requests == NULL &&
                   STAILQ_EMPTY(&worker->arrivals);
    if (worker->phase != SKEP__WORKER_LEAVING || !worker->leave_told || !is_idle) return;
    if (!worker->finishing && !send_last(worker)) return; /* no memory: the acknowledgements' flush tries again */
    bool orphan = worker->result != SKEP_OK;              /* the outbox is not read any more */
    if (orphan) end_orphan(worker);
    else if (all_is_read(worker)) skep__worker_close_link(worker, SKEP_OK);
}

static void flush_left(struct skep__flush *flush) {
    leave_if_idle(SKEP_CONTAINER(flush, skep_worker, left_flush));
}

void skep__worker_outbox_finished(void *context) {
    skep_worker *worker = context;
    worker->all_read = true;
    leave_if_idle(worker);
}

static void orphan_expired(uv_timer_t *timer) {
    end_orphan(timer->data);
}

static void tell_leave(struct skep__flush *flush) {
    skep_worker *worker = SKEP_CONTAINER(flush, skep_worker, leave_flush);
    if (worker->phase != SKEP__WORKER_LEAVING) return;
    if (worker->result != SKEP_OK) skep__worker_fail_requests(worker, SKEP_ECLOSED);
    if (!worker->leave_told && worker->on_leave != NULL) worker->on_leave(worker, worker->on_leave_context);
    worker->leave_told = true;
    leave_if_idle(worker);
}

void skep__worker_leave(skep_worker *worker) {
    if (worker->phase >= SKEP__WORKER_LEAVING) return;
    worker->phase = SKEP__WORKER_LEAVING;
    worker->leave_flush.flush = tell_leave;
    worker->left_flush.flush = flush_left;
    skep__worker_stop_accepting(worker);
    skep__worker_release_jobs(worker);
    skep__flusher_mark(worker->flusher, &worker->leave_flush);
}

/* A call of the user's may be the cause: pending requests fail in the flush. */
void skep__worker_orphaned(skep_worker *worker, int result) {
    worker->result = result;
    skep__worker_leave(worker);
    skep__flusher_mark(worker->flusher, &worker->leave_flush); /* also if it was leaving already */
    uv_poll_stop(&worker->link_poll);
    uv_timer_start(&worker->timers[SKEP__TIMER_LEAVE], orphan_expired, ORPHAN_TIMEOUT_MS, 0);
}

void skep_on_leave(skep_worker *worker, skep_leave_cb callback, void *context) {
    worker->on_leave = callback;
    worker->on_leave_context = context;
}

/* replace: another worker is to take its place. */
static void disconnect(skep_worker *worker, bool replace) {
    if (worker->phase >= SKEP__WORKER_LEAVING) return;
    struct skep_command command = {.id = SKEP_COMMAND_disconnect, .disconnect = {0}};
    if (replace) SKEP_SET(disconnect, &command.disconnect, replace, true);
    if (skep__worker_tell(worker, &command) == SKEP_OK) skep__worker_leave(worker);
    else skep__worker_orphaned(worker, SKEP_ECLOSED);
}

void skep_disconnect(skep_worker *worker) {
    disconnect(worker, false);
}

void skep__worker_heed(skep_worker *worker) {
    if (__atomic_load_n(&worker->terminated, __ATOMIC_RELAXED)) disconnect(worker, true);
}
