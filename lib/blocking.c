/* SPDX-License-Identifier: MIT
 * NNG without a loop: ask.h and news_reader.h. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "news_reader.h"
#include "nng.h"

enum { SLICE_MS = 50 /* how often a reader looks whether the broker has gone */ };

typedef void (*command_cb)(const struct skep_command *command, void *context);

struct skep__asker {
    nng_socket socket;
    struct skep_reader reader;
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

/* --- ask.h --- */

static int open_req(nng_socket *socket, const char *url) {
    int error = nng_req0_open(socket);
    if (error != 0) return skep__status_of_nng(error);
    error = nng_socket_set_size(*socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    int status = error != 0 ? skep__status_of_nng(error) : skep__nng_dial(*socket, url);
    if (status != SKEP_OK) nng_close(*socket);
    return status;
}

int skep__asker_new(skep__asker **out, const char *url) {
    int status = skep__nng_start();
    if (status != SKEP_OK) return status;
    skep__asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL) return SKEP_ENOMEM;
    status = skep__reader_init(&asker->reader, SKEP_CHANNEL_ANSWER);
    if (status == SKEP_OK) {
        status = open_req(&asker->socket, url);
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

static int receive_answer(skep__asker *asker, struct answer *answer) {
    nng_msg *message;
    int status = skep__status_of_nng(nng_recvmsg(asker->socket, &message, 0));
    if (status != SKEP_OK) return status;
    status = read_frame(&asker->reader, message, take_answer, answer);
    nng_msg_free(message);
    return status == SKEP_OK ? answer->failed : status;
}

int skep__ask(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms, command_cb callback,
              void *context, char why[SKEP_MAX_REASON + 1]) {
    struct answer answer = {.callback = callback, .context = context, .why = why};
    why[0] = '\0';
    int error = nng_socket_set_ms(asker->socket, NNG_OPT_SENDTIMEO, (nng_duration)timeout_ms);
    if (error == 0) error = nng_socket_set_ms(asker->socket, NNG_OPT_RECVTIMEO, (nng_duration)timeout_ms);
    int status = skep__status_of_nng(error);
    if (status == SKEP_OK) status = send_request(asker, command);
    if (status == SKEP_OK) status = receive_answer(asker, &answer);
    if (status != SKEP_OK && why[0] == '\0') snprintf(why, SKEP_MAX_REASON + 1, "%s", skep_strerror(status));
    return status;
}

/* --- news_reader.h --- */

static void on_broker_gone(nng_pipe pipe, nng_pipe_ev event, void *reader) {
    (void)pipe;
    (void)event;
    atomic_store(&((skep__news_reader *)reader)->gone, true);
}

static int open_sub(skep__news_reader *reader, const char *url) {
    int error = nng_sub0_open(&reader->socket);
    if (error != 0) return skep__status_of_nng(error);
    error = nng_socket_set_size(reader->socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    if (error == 0) error = nng_socket_set_int(reader->socket, NNG_OPT_RECVBUF, 1024);
    if (error == 0) error = nng_socket_set_ms(reader->socket, NNG_OPT_RECVTIMEO, SLICE_MS);
    if (error == 0) error = nng_socket_set(reader->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (error == 0) error = nng_pipe_notify(reader->socket, NNG_PIPE_EV_REM_POST, on_broker_gone, reader);
    int status = error != 0 ? skep__status_of_nng(error) : skep__nng_dial(reader->socket, url);
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

/* What the broker said before it went is read first. */
int skep__news_read(skep__news_reader *reader, unsigned timeout_ms, command_cb callback, void *context) {
    nng_msg *message;
    for (unsigned waited_ms = 0;; waited_ms += SLICE_MS) {
        bool gone = atomic_load(&reader->gone);
        int error = nng_recvmsg(reader->socket, &message, 0);
        if (error == 0) break;
        if (error != NNG_ETIMEDOUT) return skep__status_of_nng(error);
        if (gone) return SKEP_ECLOSED;
        if (waited_ms >= timeout_ms) return SKEP_ETIMEDOUT;
    }
    int status = read_frame(&reader->reader, message, callback, context);
    nng_msg_free(message);
    return status;
}
