/* SPDX-License-Identifier: MIT
 * What all of a worker stands on: its memory, what went wrong, and sending on the link. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/own_loop.h"
#include "worker/private.h"

enum { SEND_WAIT_MS = 10 /* between tries while the broker's end is full */ };

int skep__worker_fail(skep_worker *worker, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(worker->why, sizeof worker->why, format, arguments);
    va_end(arguments);
    return status;
}

/* --- memory --- */

int skep__worker_allocate(skep_worker **out, const struct skep__meeting *meeting, uv_loop_t *loop) {
    skep_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) return SKEP_ENOMEM;
    worker->meeting = *meeting;
    worker->link = meeting->link;
    worker->id = meeting->id;
    worker->trace = skep__trace_mask();
    worker->jobs.acks.hold_ns = SKEP__HOLD_NS;
    worker->jobs.turn_ns = SKEP__TURN_NS;
    TAILQ_INIT(&worker->listeners);
    TAILQ_INIT(&worker->closed_listeners);
    LIST_INIT(&worker->jobs.kept);
    STAILQ_INIT(&worker->arrivals);
    worker->owns_loop = loop == NULL;
    worker->loop = loop != NULL ? loop : &worker->own_loop;
    int status = worker->owns_loop ? skep__own_loop_init(worker->loop) : SKEP_OK;
    if (status == SKEP_OK) *out = worker;
    else free(worker);
    return status;
}

static void free_worker(skep_worker *worker) {
    skep__worker_close_page(worker);
    skep__worker_free_times(worker);
    free(worker->link_message);
    skep__frame_free(&worker->link_frame);
    skep__frame_free(&worker->answer_frame);
    skep__reader_free(&worker->link_reader);
    skep__reader_free(&worker->inbox_reader);
    skep__reader_free(&worker->news_reader);
    for (struct skep_listener *l; (l = TAILQ_FIRST(&worker->closed_listeners)) != NULL;) {
        TAILQ_REMOVE(&worker->closed_listeners, l, entry);
        free(l);
    }
    if (worker->owns_loop) uv_loop_close(worker->loop);
    free(worker);
}

void skep__worker_handle_closed(skep_worker *worker) {
    worker->open_handles--;
    if (worker->freed && !worker->owns_loop && worker->open_handles == 0) free_worker(worker);
}

void skep__worker_free_when_closed(skep_worker *worker) {
    worker->freed = true;
    /* Close callbacks; the user's handles do not hold this up. The first does nothing if the loop was stopped before.
     */
    for (unsigned i = 0; i < 2 && worker->owns_loop; i++) uv_run(worker->loop, UV_RUN_NOWAIT);
    if (worker->owns_loop || worker->open_handles == 0) free_worker(worker);
}

/* --- leaving --- */

void skep__worker_check_left(skep_worker *worker) {
    if (worker->phase == SKEP__WORKER_LEAVING) skep__flusher_mark(worker->flusher, &worker->left_flush);
}

/* --- the link --- */

static void give_turn(const skep_worker *worker) {
    if (worker->meeting.turn != NULL) worker->meeting.turn(worker->meeting.context);
}

int skep__worker_wait_link(skep_worker *worker, unsigned timeout_ms) {
    give_turn(worker);
    return skep__link_wait(worker->link, timeout_ms);
}

/* The broker always reads its links, so waiting here ends; messages are small and rare enough for that. */
int skep__worker_send(skep_worker *worker, const struct skep_frame *frame) {
    for (;;) {
        if (worker->link < 0) return SKEP_ECLOSED;
        int status = skep__link_send(worker->link, frame->data, frame->size_bytes, NULL, 0);
        if (status != SKEP_EAGAIN && status != SKEP_ENOMEM) return status;
        give_turn(worker);
        if (status == SKEP_ENOMEM) {
            poll(NULL, 0, SEND_WAIT_MS); /* the link knows nothing of that */
            continue;
        }
        status = skep__link_wait_writable(worker->link, SEND_WAIT_MS);
        if (status != SKEP_OK && status != SKEP_ETIMEDOUT) return status;
    }
}

int skep__worker_add(skep_worker *worker, struct skep_frame *frame, const struct skep_command *command) {
    skep__trace_command(worker->trace, SKEP__TRACE_LINK, ">", worker->id, command);
    return skep__frame_add(frame, command);
}

int skep__worker_tell(skep_worker *worker, const struct skep_command *command) {
    skep__frame_clear(&worker->link_frame);
    int status = skep__worker_add(worker, &worker->link_frame, command);
    return status == SKEP_OK ? skep__worker_send(worker, &worker->link_frame) : status;
}
