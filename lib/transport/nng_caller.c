/* SPDX-License-Identifier: MIT
 * Callers over NNG: a REQ socket with a context for each question. */
#include "transport/nng.h"

struct question {
    struct skep__source source; /* first member */
    LIST_ENTRY(question) entry;
    struct nng_caller *caller;
    nng_ctx context;
    nng_aio *aio;
    bool sending; /* the aio sends, else it receives */
    uint64_t deadline_ns;
    skep__answer_cb callback;
    void *callback_context;

    /* guarded */
    int error;
    nng_msg *answer;
};

struct nng_caller {
    struct skep__caller common; /* first member */
    struct skep__nng_hub *hub;
    nng_socket socket;
    LIST_HEAD(, question) questions;
};

static void on_completed(void *argument) {
    struct question *question = argument;
    int error = nng_aio_result(question->aio);
    nng_msg *message = nng_aio_get_msg(question->aio);
    if (question->sending && error != 0) nng_msg_free(message); /* it was not taken */
    pthread_mutex_lock(&question->caller->hub->mutex);
    question->error = error;
    question->answer = !question->sending && error == 0 ? message : NULL;
    skep__hub_wake(question->caller->hub, &question->source);
    pthread_mutex_unlock(&question->caller->hub->mutex);
}

/* What of it may be in the hands of NNG's threads until nng_aio_free returns. */
static void free_question(struct question *question) {
    nng_aio_free(question->aio);
    if (question->answer != NULL) nng_msg_free(question->answer);
    free(question);
}

static void settle(struct question *question, int status, nng_msg *answer) {
    skep__answer_cb callback = question->callback;
    void *context = question->callback_context;
    question->answer = NULL;
    nng_ctx_close(question->context);
    LIST_REMOVE(question, entry);
    skep__hub_forget(question->caller->hub, &question->source);
    free_question(question);
    callback(status, answer != NULL ? nng_msg_body(answer) : NULL, answer != NULL ? nng_msg_len(answer) : 0, context);
    if (answer != NULL) nng_msg_free(answer);
}

static void question_turn(struct skep__source *source) {
    struct question *question = (struct question *)source;
    pthread_mutex_lock(&question->caller->hub->mutex);
    int error = question->error;
    nng_msg *answer = question->answer;
    pthread_mutex_unlock(&question->caller->hub->mutex);
    if (!question->sending || error != 0) {
        settle(question, skep__status_of_nng(error), answer);
        return;
    }
    uint64_t now_ns = uv_hrtime();
    uint64_t left_ns = question->deadline_ns > now_ns ? question->deadline_ns - now_ns : 0;
    question->sending = false;
    nng_aio_set_msg(question->aio, NULL);
    nng_aio_set_timeout(question->aio, (nng_duration)(left_ns / 1000000));
    nng_ctx_recv(question->context, question->aio);
}

/* A lost answer must not repeat the question: without a time for that, NNG ends it with the connection instead. */
int skep__nng_caller_new(struct skep__caller **out, struct skep__hub *hub, const char *url) {
    struct nng_caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL) return SKEP_ENOMEM;
    caller->common.hub = hub;
    caller->hub = (struct skep__nng_hub *)hub;
    LIST_INIT(&caller->questions);
    int error = nng_req0_open(&caller->socket);
    if (error != 0) {
        free(caller);
        return skep__status_of_nng(error);
    }
    error = nng_socket_set_size(caller->socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    if (error == 0) error = nng_socket_set_ms(caller->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    int status = error == 0 ? skep__nng_dial(caller->socket, url, NNG_FLAG_NONBLOCK) : skep__status_of_nng(error);
    if (status == SKEP_OK) *out = &caller->common;
    else skep__nng_caller_free(&caller->common);
    return status;
}

static int open_question(struct nng_caller *caller, struct question *question, nng_msg **message, size_t size_bytes) {
    int error = nng_aio_alloc(&question->aio, on_completed, question);
    if (error != 0) return error;
    error = nng_ctx_open(&question->context, caller->socket);
    if (error == 0) {
        error = nng_msg_alloc(message, size_bytes);
        if (error == 0) return 0;
        nng_ctx_close(question->context);
    }
    nng_aio_free(question->aio);
    return error;
}

int skep__nng_caller_ask(struct skep__caller *common, const void *data, size_t size_bytes, unsigned timeout_ms,
                         skep__answer_cb callback, void *context) {
    struct nng_caller *caller = (struct nng_caller *)common;
    nng_msg *message;
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL) return SKEP_ENOMEM;
    *question = (struct question){.source = {.handle = question_turn},
                                  .caller = caller,
                                  .sending = true,
                                  .deadline_ns = uv_hrtime() + timeout_ms * UINT64_C(1000000),
                                  .callback = callback,
                                  .callback_context = context};
    int error = open_question(caller, question, &message, size_bytes);
    if (error != 0) {
        free(question);
        return skep__status_of_nng(error);
    }
    LIST_INSERT_HEAD(&caller->questions, question, entry);
    memcpy(nng_msg_body(message), data, size_bytes);
    nng_aio_set_msg(question->aio, message);
    nng_aio_set_timeout(question->aio, (nng_duration)timeout_ms);
    nng_ctx_send(question->context, question->aio);
    return SKEP_OK;
}

/* nng_close ends what is under way, and may hang (closer.h). */
static void close_caller(void *what) {
    struct nng_caller *caller = what;
    nng_close(caller->socket);
    for (struct question *question; (question = LIST_FIRST(&caller->questions)) != NULL;) {
        LIST_REMOVE(question, entry); // NOLINT(clang-analyzer-unix.Malloc): the first is another each time
        free_question(question);
    }
    free(caller);
}

void skep__nng_caller_free(struct skep__caller *common) {
    struct nng_caller *caller = (struct nng_caller *)common;
    struct question *question;
    LIST_FOREACH(question, &caller->questions, entry) skep__hub_forget(caller->hub, &question->source);
    LIST_FOREACH(question, &caller->questions, entry)
    question->callback(SKEP_ECLOSED, NULL, 0, question->callback_context);
    skep__closers_start(&caller->hub->closers, close_caller, caller);
}
