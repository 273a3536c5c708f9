/* SPDX-License-Identifier: MIT
 * NNG without a loop: ask.h and news_reader.h. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "news_reader.h"
#include "nng.h"

enum { SLICE_MS = 50 /* how often a waiting program looks whether the broker has gone */ };

typedef void (*command_cb)(const struct skep_command *command, void *context);

struct skep__asker {
    nng_socket socket;
    struct skep_reader reader;
    atomic_bool gone;
};

struct skep__news_reader {
    nng_socket socket;
    struct skep_reader reader;
    atomic_bool gone;
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

/* On one of NNG's threads */
static void on_broker_gone(nng_pipe pipe, nng_pipe_ev event, void *gone) {
    (void)pipe;
    (void)event;
    atomic_store((atomic_bool *)gone, true);
}

static int prepare(nng_socket socket, atomic_bool *gone, const char *url) {
    int error = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    if (error == 0) error = nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, SLICE_MS);
    if (error == 0) error = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_broker_gone, gone);
    return error != 0 ? skep__status_of_nng(error) : skep__nng_dial(socket, url);
}

/* What the broker said before it went is received first. */
static int receive(nng_socket socket, const atomic_bool *gone, unsigned timeout_ms, nng_msg **message) {
    for (unsigned waited_ms = 0;; waited_ms += SLICE_MS) {
        bool was_gone = atomic_load(gone);
        int error = nng_recvmsg(socket, message, 0);
        if (error != NNG_ETIMEDOUT) return skep__status_of_nng(error);
        if (was_gone) return SKEP_ECLOSED;
        if (waited_ms >= timeout_ms) return SKEP_ETIMEDOUT;
    }
}

/* --- ask.h --- */

static int open_req(skep__asker *asker, const char *url) {
    int error = nng_req0_open(&asker->socket);
    if (error != 0) return skep__status_of_nng(error);
    int status = prepare(asker->socket, &asker->gone, url);
    if (status != SKEP_OK) nng_close(asker->socket);
    return status;
}

int skep__asker_new(skep__asker **out, const char *url) {
    int status = skep__nng_start();
    if (status != SKEP_OK) return status;
    skep__asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL) return SKEP_ENOMEM;
    status = skep__reader_init(&asker->reader, SKEP_CHANNEL_ANSWER);
    if (status == SKEP_OK) {
        status = open_req(asker, url);
        if (status != SKEP_OK) skep__reader_free(&asker->reader);
    }
    if (status == SKEP_OK) *out = asker;
    else free(asker);
    return status;
}

void skep__asker_free(skep__asker **asker) {
    if (*asker == NULL) return;
    nng_close((*asker)->socket);
    skep__reader_free(&(*asker)->reader);
    free(*asker);
    *asker = NULL;
}

static int send_request(skep__asker *asker, const struct skep_command *command) {
    struct skep_frame frame = {0};
    nng_msg *message = NULL;
    int status = skep__frame_add(&frame, command);
    if (status == SKEP_OK) status = skep__status_of_nng(nng_msg_alloc(&message, 0));
    if (status == SKEP_OK) status = skep__status_of_nng(nng_msg_append(message, frame.data, frame.size_bytes));
    if (status == SKEP_OK) status = skep__status_of_nng(nng_sendmsg(asker->socket, message, 0));
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
    int status = receive(asker->socket, &asker->gone, timeout_ms, &message);
    if (status != SKEP_OK) return status;
    status = read_frame(&asker->reader, message, take_answer, answer);
    nng_msg_free(message);
    return status == SKEP_OK ? answer->failed : status;
}

int skep__ask(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms, command_cb callback,
              void *context, char why[SKEP_MAX_REASON + 1]) {
    struct answer answer = {.callback = callback, .context = context, .why = why};
    why[0] = '\0';
    int status = skep__status_of_nng(nng_socket_set_ms(asker->socket, NNG_OPT_SENDTIMEO, (nng_duration)timeout_ms));
    if (status == SKEP_OK) status = send_request(asker, command); /* queued at once: the connection is there, or has just gone */
    if (status == SKEP_OK) status = receive_answer(asker, timeout_ms, &answer);
    if (status != SKEP_OK && why[0] == '\0') snprintf(why, SKEP_MAX_REASON + 1, "%s", skep_strerror(status));
    return status;
}

/* --- news_reader.h --- */

static int open_sub(skep__news_reader *reader, const char *url) {
    int error = nng_sub0_open(&reader->socket);
    if (error != 0) return skep__status_of_nng(error);
    error = nng_socket_set_int(reader->socket, NNG_OPT_RECVBUF, 1024);
    if (error == 0) error = nng_socket_set(reader->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    int status = error != 0 ? skep__status_of_nng(error) : prepare(reader->socket, &reader->gone, url);
    if (status != SKEP_OK) nng_close(reader->socket);
    return status;
}

int skep__news_reader_new(skep__news_reader **out, const char *url) {
    int status = skep__nng_start();
    if (status != SKEP_OK) return status;
    skep__news_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return SKEP_ENOMEM;
    status = skep__reader_init(&reader->reader, SKEP_CHANNEL_NEWS);
    if (status == SKEP_OK) {
        status = open_sub(reader, url);
        if (status != SKEP_OK) skep__reader_free(&reader->reader);
    }
    if (status == SKEP_OK) *out = reader;
    else free(reader);
    return status;
}

void skep__news_reader_free(skep__news_reader **reader) {
    if (*reader == NULL) return;
    nng_close((*reader)->socket);
    skep__reader_free(&(*reader)->reader);
    free(*reader);
    *reader = NULL;
}

int skep__news_read(skep__news_reader *reader, unsigned timeout_ms, command_cb callback, void *context) {
    nng_msg *message;
    int status = receive(reader->socket, &reader->gone, timeout_ms, &message);
    if (status != SKEP_OK) return status;
    status = read_frame(&reader->reader, message, callback, context);
    nng_msg_free(message);
    return status;
}
