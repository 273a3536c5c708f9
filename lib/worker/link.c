/* SPDX-License-Identifier: MIT
 * A worker's end of the link: connections in, acknowledgements and reports out. */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/container.h"
#include "worker/private.h"

enum {
    REPORT_MS = 20,   /* how long an ended connection waits for others to be reported with */
    SEND_WAIT_MS = 10 /* between tries while the broker's end is full */
};

/* Reads of the message at hand */
struct delivery {
    skep_worker *worker;
    uint32_t request; /* an answer to this is waited for; 0: none */
    struct skep_command *answer;
    int *answer_fd;
    uint64_t given_back; /* a listener that came too late; 0: none */
    unsigned next_fd;
    uint64_t through;        /* latest connection that arrived; 0: none */
    struct skep_frame frame; /* refusals and the acknowledgement */
};

static void give_turn(const skep_worker *worker) {
    if (worker->meeting.turn != NULL) worker->meeting.turn(worker->meeting.context);
}

int skep__worker_wait_link(skep_worker *worker, unsigned timeout_ms) {
    give_turn(worker);
    return skep__link_wait(worker->link, timeout_ms);
}

static int wait_to_send(const skep_worker *worker, int status) {
    if (status == SKEP_EAGAIN) return skep__link_wait_writable(worker->link, SEND_WAIT_MS);
    poll(NULL, 0, SEND_WAIT_MS); /* no memory, of which the link knows nothing */
    return SKEP_OK;
}

/* The broker always reads its links, so waiting here ends; messages are small and rare enough for that. */
static int send_link(skep_worker *worker, const struct skep_frame *frame) {
    for (;;) {
        if (worker->link < 0) return SKEP_ECLOSED;
        int status = skep__link_send(worker->link, frame->data, frame->size_bytes, NULL, 0);
        if (status != SKEP_EAGAIN && status != SKEP_ENOMEM) return status;
        give_turn(worker);
        int waited = wait_to_send(worker, status);
        if (waited != SKEP_OK && waited != SKEP_ETIMEDOUT) return waited;
    }
}

static int add(skep_worker *worker, struct skep_frame *frame, const struct skep_command *command) {
    skep__trace_command(worker->trace, SKEP__TRACE_LINK, ">", worker->id, command);
    return skep__frame_add(frame, command);
}

int skep__worker_tell(skep_worker *worker, const struct skep_command *command) {
    skep__frame_clear(&worker->link_frame);
    int status = add(worker, &worker->link_frame, command);
    return status == SKEP_OK ? send_link(worker, &worker->link_frame) : status;
}

/* --- reports --- */

static bool fill_report(skep_worker *worker, struct skep_command *command, uint64_t through) {
    struct skep_command_taken *t = &command->taken;
    command->id = SKEP_COMMAND_taken;
    *t = (struct skep_command_taken){0};
    if (through != 0) SKEP_SET(taken, t, through, through);
    if (worker->unreported_finished != 0) SKEP_SET(taken, t, finished, worker->unreported_finished);
    if (worker->unreported_accepted != 0) SKEP_SET(taken, t, accepted, worker->unreported_accepted);
    return t->has != 0;
}

static void reported(skep_worker *worker) {
    worker->unreported_finished = worker->unreported_accepted = 0;
}

void skep__worker_report(skep_worker *worker) {
    struct skep_command command;
    if (worker->link < 0 || !fill_report(worker, &command, 0)) return;
    if (skep__worker_tell(worker, &command) == SKEP_OK) reported(worker);
}

static void report_now(uv_timer_t *timer) {
    skep__worker_report(timer->data);
}

void skep__worker_report_soon(skep_worker *worker) {
    if (uv_is_active((uv_handle_t *)&worker->report_timer) || worker->link < 0) return;
    uv_timer_start(&worker->report_timer, report_now, REPORT_MS, 0);
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

/* --- arrivals --- */

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

bool skep__worker_arrived(skep_worker *worker, struct skep_listener *listener, int fd) {
    struct skep__arrival *a = malloc(sizeof *a);
    if (a == NULL) return false;
    *a = (struct skep__arrival){.listener = listener, .fd = fd};
    STAILQ_INSERT_TAIL(&worker->arrivals, a, entry);
    worker->live++;
    skep__worker_connection_begun(worker, fd);
    return true;
}

/* --- commands --- */

static int take_fd(const struct skep__link_message *message, struct delivery *d) {
    return d->next_fd < message->fd_count ? message->fds[d->next_fd++] : -1;
}

static int refuse(skep_worker *worker, struct delivery *d, uint64_t connection) {
    struct skep_command command = {.id = SKEP_COMMAND_refused};
    command.refused = (struct skep_command_refused){.connection = connection};
    return add(worker, &d->frame, &command);
}

static enum skep__take how_to_take(skep_worker *worker, uint64_t connection) {
    return worker->take != NULL ? worker->take(worker->take_context, connection) : SKEP__TAKE;
}

static int take_connection(skep_worker *worker, const struct skep_command_connection *c, struct delivery *d) {
    int fd = take_fd(worker->link_message, d);
    struct skep_listener *listener = skep__worker_next_listener(worker, c->listener);
    enum skep__take how = how_to_take(worker, c->connection);
    bool wanted = fd >= 0 && listener != NULL && how != SKEP__TAKE_NOT;
    d->through = c->connection;
    if (how == SKEP__TAKE_LATER) worker->held = c->connection;
    if (wanted && skep__worker_arrived(worker, listener, fd)) return SKEP_OK;
    if (fd >= 0) close(fd);
    return refuse(worker, d, c->connection);
}

static int take_answer(skep_worker *worker, const struct skep_command *command, uint64_t request, struct delivery *d) {
    bool has_fd = command->id == SKEP_COMMAND_listening && command->listening.shared;
    int fd = has_fd ? take_fd(worker->link_message, d) : -1;
    if (d->request == 0 || request != d->request) {
        if (fd >= 0) close(fd); /* an answer that is no longer waited for */
        if (command->id == SKEP_COMMAND_listening) d->given_back = command->listening.listener;
        return SKEP_OK;
    }
    *d->answer = *command;
    *d->answer_fd = fd;
    worker->answer_rests = false;
    return SKEP_OK;
}

/* It may follow in the message that says where the worker listens, which skep_listen has yet to make a listener of. */
static int take_rest(skep_worker *worker, const struct skep_command_rest *rest, const struct delivery *d) {
    bool answered = d->request != 0 && d->answer->id == SKEP_COMMAND_listening;
    if (answered && d->answer->listening.listener == rest->listener) worker->answer_rests = rest->paused;
    skep__worker_set_resting(worker, rest->listener, rest->paused);
    return SKEP_OK;
}

static int take_command(void *context, const struct skep_command *command) {
    struct delivery *d = context;
    skep_worker *worker = d->worker;
    skep__trace_command(worker->trace, SKEP__TRACE_LINK, "<", worker->id, command);
    switch (command->id) {
    case SKEP_COMMAND_connection: return take_connection(worker, &command->connection, d);
    case SKEP_COMMAND_listening: return take_answer(worker, command, command->listening.request, d);
    case SKEP_COMMAND_listenFailed: return take_answer(worker, command, command->listenFailed.request, d);
    case SKEP_COMMAND_rest: return take_rest(worker, &command->rest, d);
    case SKEP_COMMAND_drain: skep__worker_leave(worker); return SKEP_OK;
    default: return SKEP_OK;
    }
}

/* A broker that has gone has still sent what follows: the link's end comes after that. */
static int acknowledge(skep_worker *worker, struct delivery *d) {
    struct skep_command command;
    bool held = worker->held != 0;
    if (d->through == 0) return SKEP_OK;
    if (held) worker->held = d->through;
    if (!fill_report(worker, &command, held ? 0 : d->through) && d->frame.size_bytes == 0) return SKEP_OK;
    int status = add(worker, &d->frame, &command);
    if (status == SKEP_OK) status = send_link(worker, &d->frame);
    if (status == SKEP_OK) reported(worker);
    return status == SKEP_ECLOSED ? SKEP_OK : status;
}

static int take_message(skep_worker *worker, struct delivery *d) {
    struct skep__link_message *message = worker->link_message;
    d->next_fd = 0;
    d->through = 0;
    skep__frame_clear(&d->frame);
    int status = skep__reader_read(&worker->link_reader, message->data, message->size_bytes, take_command, d);
    while (d->next_fd < message->fd_count) close(message->fds[d->next_fd++]);
    return status == SKEP_OK ? acknowledge(worker, d) : status;
}

void skep__worker_take_held(skep_worker *worker) {
    struct skep_command command;
    if (worker->held == 0 || worker->link < 0) return;
    fill_report(worker, &command, worker->held);
    worker->held = 0;
    if (skep__worker_tell(worker, &command) == SKEP_OK) reported(worker);
}

int skep__worker_read_link(skep_worker *worker, uint32_t request, struct skep_command *answer, int *answer_fd) {
    struct delivery d = {
        .worker = worker, .request = request, .answer = answer, .answer_fd = answer_fd, .frame = worker->link_frame};
    int status = skep__link_receive(worker->link, worker->link_message);
    if (status == SKEP_OK) status = take_message(worker, &d);
    worker->link_frame = d.frame;
    if (d.given_back != 0) skep__worker_unlisten(worker, d.given_back);
    return status;
}
