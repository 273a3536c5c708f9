/* SPDX-License-Identifier: MIT
 * What comes on the link: connections, which are acknowledged, and the broker's other commands. */
#include "worker/private.h"

/* Reads of the message at hand */
struct delivery {
    skep_worker *worker;
    uint32_t request; /* an answer to this is waited for; 0: none */
    struct skep_command *answer;
    int *answer_fd;
    uint64_t given_back; /* a listener that came too late; 0: none */
    unsigned next_fd;
    uint64_t through; /* latest connection that arrived; 0: none */
};

static int take_fd(const struct skep__link_message *message, struct delivery *d) {
    return d->next_fd < message->fd_count ? message->fds[d->next_fd++] : -1;
}

static int take_connection(skep_worker *worker, const struct skep_command_connection *c, struct delivery *d) {
    int fd = take_fd(worker->link_message, d);
    struct skep_listener *listener = skep__worker_next_listener(worker, c->listener);
    enum skep__take how = worker->take != NULL ? worker->take(worker->take_context, c->connection) : SKEP__TAKE;
    bool wanted = fd >= 0 && listener != NULL && how != SKEP__TAKE_NOT;
    d->through = c->connection;
    if (how == SKEP__TAKE_LATER) worker->held = c->connection;
    if (wanted && skep__worker_arrived(worker, listener, fd)) return SKEP_OK;
    if (fd >= 0) close(fd);
    struct skep_command refused = {.id = SKEP_COMMAND_refused, .refused = {.connection = c->connection}};
    return skep__worker_add(worker, &worker->answer_frame, &refused);
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
    if (!skep__worker_fill_report(worker, &command, held ? 0 : d->through) && worker->answer_frame.size_bytes == 0)
        return SKEP_OK;
    int status = skep__worker_add(worker, &worker->answer_frame, &command);
    if (status == SKEP_OK) status = skep__worker_send(worker, &worker->answer_frame);
    if (status == SKEP_OK) skep__worker_reported(worker);
    return status == SKEP_ECLOSED ? SKEP_OK : status;
}

static int take_message(skep_worker *worker, struct delivery *d) {
    struct skep__link_message *message = worker->link_message;
    d->next_fd = 0;
    d->through = 0;
    skep__frame_clear(&worker->answer_frame);
    int status = skep__reader_read(&worker->link_reader, message->data, message->size_bytes, take_command, d);
    while (d->next_fd < message->fd_count) close(message->fds[d->next_fd++]);
    return status == SKEP_OK ? acknowledge(worker, d) : status;
}

int skep__worker_read_link(skep_worker *worker, uint32_t request, struct skep_command *answer, int *answer_fd) {
    struct delivery d = {.worker = worker, .request = request, .answer = answer, .answer_fd = answer_fd};
    int status = skep__link_receive(worker->link, worker->link_message);
    if (status == SKEP_OK) status = take_message(worker, &d);
    if (d.given_back != 0) skep__worker_unlisten(worker, d.given_back);
    return status;
}
