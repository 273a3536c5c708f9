/* SPDX-License-Identifier: MIT
 * Connections that have arrived, from the broker or by accepting them: to their callbacks, and reported. */
#include "worker/private.h"

enum { REPORT_MS = 20 /* how long an ended connection waits for others to be reported with */ };

/* --- to their callbacks --- */

bool skep__worker_arrived(skep_worker *worker, struct skep_listener *listener, int fd) {
    struct skep__arrival *a = malloc(sizeof *a);
    if (a == NULL) return false;
    *a = (struct skep__arrival){.listener = listener, .fd = fd};
    STAILQ_INSERT_TAIL(&worker->arrivals, a, entry);
    worker->live++;
    skep__worker_connection_begun(worker, fd);
    return true;
}

void skep__worker_deliver(skep_worker *worker) {
    for (struct skep__arrival *a; (a = STAILQ_FIRST(&worker->arrivals)) != NULL;) {
        STAILQ_REMOVE_HEAD(&worker->arrivals, entry);
        a->listener->callback(worker, a->listener, a->fd, a->listener->context);
        free(a);
    }
    skep__worker_check_left(worker);
}

static void flush_arrivals(struct skep__flush *flush) {
    skep__worker_deliver(SKEP_CONTAINER(flush, skep_worker, arrivals_flush));
}

void skep__worker_deliver_later(skep_worker *worker) {
    if (STAILQ_EMPTY(&worker->arrivals)) return;
    worker->arrivals_flush.flush = flush_arrivals;
    skep__flusher_mark(worker->flusher, &worker->arrivals_flush);
}

/* --- reports --- */

bool skep__worker_fill_report(skep_worker *worker, struct skep_command *command, uint64_t through) {
    struct skep_command_taken *t = &command->taken;
    command->id = SKEP_COMMAND_taken;
    *t = (struct skep_command_taken){0};
    if (through != 0) SKEP_SET(taken, t, through, through);
    if (worker->unreported_finished != 0) SKEP_SET(taken, t, finished, worker->unreported_finished);
    if (worker->unreported_accepted != 0) SKEP_SET(taken, t, accepted, worker->unreported_accepted);
    return t->has != 0;
}

void skep__worker_reported(skep_worker *worker) {
    worker->unreported_finished = worker->unreported_accepted = 0;
}

static void report(skep_worker *worker, uint64_t through) {
    struct skep_command command;
    if (worker->link < 0 || !skep__worker_fill_report(worker, &command, through)) return;
    if (skep__worker_tell(worker, &command) == SKEP_OK) skep__worker_reported(worker);
}

void skep__worker_report(skep_worker *worker) {
    report(worker, 0);
}

static void report_now(uv_timer_t *timer) {
    skep__worker_report(timer->data);
}

void skep__worker_report_soon(skep_worker *worker) {
    if (uv_is_active((uv_handle_t *)&worker->timers[SKEP__TIMER_REPORT]) || worker->link < 0) return;
    uv_timer_start(&worker->timers[SKEP__TIMER_REPORT], report_now, REPORT_MS, 0);
}

void skep__worker_take_held(skep_worker *worker) {
    uint64_t held = worker->held;
    if (held == 0 || worker->link < 0) return;
    worker->held = 0;
    report(worker, held);
}

void skep_connection_finished(skep_worker *worker, int fd) {
    if (worker->live == 0) return;
    skep__worker_connection_ended(worker, fd);
    worker->live--;
    worker->unreported_finished++;
    skep__worker_report_soon(worker);
    if (worker->live == 0) skep__worker_check_left(worker);
}

uint64_t skep_worker_connections(const skep_worker *worker) {
    return worker->live;
}
