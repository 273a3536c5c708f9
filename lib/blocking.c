/* SPDX-License-Identifier: MIT
 * NNG without a loop: ask.h and news_reader.h. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "news_reader.h"
#include "nng.h"

typedef void (*command_cb)(const struct skep_command *command, void *context);

/* A socket with one peer, the broker */
struct channel {
    nng_socket socket;
    nng_aio *aio; /* the receive that is waited for */
    struct skep_reader reader;
    atomic_bool gone;
};

struct skep__asker {
    struct channel channel;
};

struct skep__news_reader {
    struct channel channel;
};

static int read_frame(struct skep_reader *reader, nng_msg *message, command_cb callback, void *context) {
    struct skep_command command;
    bool more = true;
    int status = skep__reader_begin(reader, nng_msg_body(message), nng_msg_len(message));
    while (status == SKEP_OK && more) {
        status = skep__reader_next(reader, &command, &more);
        if (status == SKEP_OK && more) callback(&command, context);
    }
    return status;
}

/* On one of NNG's threads: ends the wait for what will not come. */
static void on_broker_gone(nng_pipe pipe, nng_pipe_ev event, void *argument) {
    struct channel *channel = argument;
    (void)pipe;
    (void)event;
    atomic_store(&channel->gone, true);
    nng_aio_cancel(channel->aio);
}

static int dial(struct channel *channel, const char *url) {
    int error = nng_socket_set_size(channel->socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    if (error == 0) error = nng_pipe_notify(channel->socket, NNG_PIPE_EV_REM_POST, on_broker_gone, channel);
    return error != 0 ? skep__status_of_nng(error) : skep__nng_dial(channel->socket, url, 0);
}

static void close_channel(struct channel *channel) {
    nng_close(channel->socket);
    nng_aio_free(channel->aio);
    skep__reader_free(&channel->reader);
}

/* An uninitialised socket is of no harm to nng_close. */
static int open_channel(struct channel *channel, enum skep_channel kind, int (*open)(nng_socket *socket),
                        const char *url) {
    int status = skep__reader_init(&channel->reader, kind);
    if (status != SKEP_OK) return status;
    int error = nng_aio_alloc(&channel->aio, NULL, NULL);
    if (error == 0) error = open(&channel->socket);
    status = error == 0 ? dial(channel, url) : skep__status_of_nng(error);
    if (status != SKEP_OK) close_channel(channel);
    return status;
}

/* Waits for the operation that the aio has begun. */
static int await(struct channel *channel) {
    if (atomic_load(&channel->gone)) nng_aio_cancel(channel->aio);
    nng_aio_wait(channel->aio);
    return skep__status_of_nng(nng_aio_result(channel->aio));
}

static int send_message(struct channel *channel, unsigned timeout_ms, nng_msg *message) {
    nng_aio_set_timeout(channel->aio, (nng_duration)timeout_ms);
    nng_aio_set_msg(channel->aio, message);
    nng_send_aio(channel->socket, channel->aio);
    return await(channel);
}

/* What the broker said before it went is received first. One wait, not several short ones: a request socket forgets its
 * request when a wait ends. */
static int receive(struct channel *channel, unsigned timeout_ms, nng_msg **message) {
    nng_aio_set_timeout(channel->aio, (nng_duration)timeout_ms);
    nng_recv_aio(channel->socket, channel->aio);
    int status = await(channel);
    if (status == SKEP_OK) *message = nng_aio_get_msg(channel->aio);
    return status;
}

/* --- ask.h --- */

/* NNG would ask again by itself when a connection ends, though the broker may have done what was asked. */
static int open_req(nng_socket *socket) {
    int error = nng_req0_open(socket);
    return error == 0 ? nng_socket_set_ms(*socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) : error;
}

int skep__asker_new(skep__asker **out, const char *url) {
    int status = skep__nng_start();
    if (status != SKEP_OK) return status;
    skep__asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL) return SKEP_ENOMEM;
    status = open_channel(&asker->channel, SKEP_CHANNEL_ANSWER, open_req, url);
    if (status == SKEP_OK) *out = asker;
    else free(asker);
    return status;
}

void skep__asker_free(skep__asker **asker) {
    if (*asker == NULL) return;
    close_channel(&(*asker)->channel);
    free(*asker);
    *asker = NULL;
}

static int send_request(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms) {
    struct skep_frame frame = {0};
    nng_msg *message = NULL;
    int status = skep__frame_add(&frame, command);
    if (status == SKEP_OK) status = skep__status_of_nng(nng_msg_alloc(&message, 0));
    if (status == SKEP_OK) status = skep__status_of_nng(nng_msg_append(message, frame.data, frame.size_bytes));
    if (status == SKEP_OK) status = send_message(&asker->channel, timeout_ms, message);
    if (status != SKEP_OK && message != NULL) nng_msg_free(message);
    skep__frame_free(&frame);
    return status;
}

struct answer {
    command_cb callback;
    void *context;
    int failed; /* status of a failed answer */
    char *why;
};

static void take_answer(const struct skep_command *command, void *context) {
    struct answer *answer = context;
    if (command->id != SKEP_COMMAND_failed) {
        answer->callback(command, answer->context);
        return;
    }
    const struct skep_bytes *reason = &command->failed.reason;
    answer->failed = (int)command->failed.status;
    snprintf(answer->why, SKEP_MAX_REASON + 1, "%.*s", (int)reason->size_bytes, reason->data);
}

static int receive_answer(skep__asker *asker, unsigned timeout_ms, struct answer *answer) {
    nng_msg *message;
    int status = receive(&asker->channel, timeout_ms, &message);
    if (status != SKEP_OK) return status;
    if (nng_msg_len(message) > 0) /* else a list with nothing in it */
        status = read_frame(&asker->channel.reader, message, take_answer, answer);
    nng_msg_free(message);
    return status == SKEP_OK ? answer->failed : status;
}

int skep__ask(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms, command_cb callback,
              void *context, char why[SKEP_MAX_REASON + 1]) {
    struct answer answer = {.callback = callback, .context = context, .why = why};
    why[0] = '\0';
    int status = send_request(asker, command, timeout_ms);
    if (status == SKEP_OK) status = receive_answer(asker, timeout_ms, &answer);
    if (status != SKEP_OK && why[0] == '\0') snprintf(why, SKEP_MAX_REASON + 1, "%s", skep_strerror(status));
    return status;
}

/* --- news_reader.h --- */

static int open_sub(nng_socket *socket) {
    int error = nng_sub0_open(socket);
    if (error == 0) error = nng_socket_set_int(*socket, NNG_OPT_RECVBUF, 1024);
    return error == 0 ? nng_socket_set(*socket, NNG_OPT_SUB_SUBSCRIBE, "", 0) : error;
}

int skep__news_reader_new(skep__news_reader **out, const char *url) {
    int status = skep__nng_start();
    if (status != SKEP_OK) return status;
    skep__news_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return SKEP_ENOMEM;
    status = open_channel(&reader->channel, SKEP_CHANNEL_NEWS, open_sub, url);
    if (status == SKEP_OK) *out = reader;
    else free(reader);
    return status;
}

void skep__news_reader_free(skep__news_reader **reader) {
    if (*reader == NULL) return;
    close_channel(&(*reader)->channel);
    free(*reader);
    *reader = NULL;
}

int skep__news_reader_fd(skep__news_reader *reader, int *fd) {
    return skep__status_of_nng(nng_socket_get_int(reader->channel.socket, NNG_OPT_RECVFD, fd));
}

int skep__news_read(skep__news_reader *reader, unsigned timeout_ms, command_cb callback, void *context) {
    nng_msg *message;
    int status = receive(&reader->channel, timeout_ms, &message);
    if (status != SKEP_OK) return status;
    status = read_frame(&reader->channel.reader, message, callback, context);
    nng_msg_free(message);
    return status;
}
