/* SPDX-License-Identifier: MIT
 * Servers over NNG: a REP socket with several contexts. */
#include "transport/nng.h"

enum {
    CALLS = 8,       /* requests answered at the same time */
    ANSWER_MS = 5000 /* for a client to take its answer */
};

struct nng_call {
    struct skep__call common; /* first member */
    struct skep__source source;
    struct nng_server *server;
    nng_ctx context;
    nng_aio *aio;
    bool answering;   /* the aio sends, else it receives */
    nng_msg *request; /* guarded */
    bool completed;   /* guarded */
};

struct nng_server {
    struct skep__server common; /* first member */
    struct skep__nng_hub *hub;
    struct skep__source source; /* for refusals */
    nng_socket socket;
    struct skep__guard guard;
    struct nng_call calls[CALLS];
    struct skep__peer refused; /* who was turned away last; guarded */
};

static void on_call_completed(void *argument) {
    struct nng_call *call = argument;
    int error = nng_aio_result(call->aio);
    if (call->answering && error != 0) nng_msg_free(nng_aio_get_msg(call->aio));
    if (error == NNG_ECLOSED || error == NNG_ECANCELED) return; /* the socket is being closed */
    pthread_mutex_lock(&call->server->hub->mutex);
    call->completed = true;
    call->request = !call->answering && error == 0 ? nng_aio_get_msg(call->aio) : NULL;
    skep__hub_wake(call->server->hub, &call->source);
    pthread_mutex_unlock(&call->server->hub->mutex);
}

static void await_call(struct nng_call *call) {
    call->answering = false;
    nng_aio_set_timeout(call->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(call->context, call->aio);
}

static void call_turn(struct skep__source *source) {
    struct nng_call *call = SKEP_CONTAINER(source, struct nng_call, source);
    struct nng_server *server = call->server;
    pthread_mutex_lock(&server->hub->mutex);
    nng_msg *request = call->request;
    bool completed = call->completed;
    call->request = NULL;
    call->completed = false;
    pthread_mutex_unlock(&server->hub->mutex);
    if (!completed) return;
    if (request == NULL) {
        await_call(call);
        return;
    }
    call->common.pid = skep__nng_peer(nng_msg_get_pipe(request)).pid;
    server->common.events->called(server->common.context, &call->common, nng_msg_body(request), nng_msg_len(request));
    nng_msg_free(request);
}

void skep__nng_call_answer(struct skep__call *common, const void *data, size_t size_bytes) {
    struct nng_call *call = (struct nng_call *)common;
    nng_msg *message;
    if (nng_msg_alloc(&message, size_bytes) != 0) {
        await_call(call);
        return;
    }
    if (size_bytes > 0) memcpy(nng_msg_body(message), data, size_bytes);
    call->answering = true;
    nng_aio_set_msg(call->aio, message);
    nng_aio_set_timeout(call->aio, ANSWER_MS); /* a client that does not read must not keep others waiting */
    nng_ctx_send(call->context, call->aio);
}

static void on_client_added(nng_pipe pipe, nng_pipe_ev event, void *argument) {
    (void)event;
    struct nng_server *server = argument;
    struct skep__peer who = skep__nng_peer(pipe);
    atomic_fetch_add(&server->guard.seen, 1);
    if (skep__is_own_user(who.uid)) return;
    nng_pipe_close(pipe);
    pthread_mutex_lock(&server->hub->mutex);
    server->refused = who;
    skep__hub_wake(server->hub, &server->source);
    pthread_mutex_unlock(&server->hub->mutex);
}

static void refusal_turn(struct skep__source *source) {
    struct nng_server *server = SKEP_CONTAINER(source, struct nng_server, source);
    pthread_mutex_lock(&server->hub->mutex);
    struct skep__peer who = server->refused;
    pthread_mutex_unlock(&server->hub->mutex);
    if (server->common.events->refused != NULL)
        server->common.events->refused(server->common.context, who.pid, who.uid);
}

static int open_calls(struct nng_server *server) {
    for (unsigned i = 0; i < CALLS; i++) {
        struct nng_call *call = &server->calls[i];
        call->common.transport = server->common.hub->transport;
        call->source.handle = call_turn;
        call->server = server;
        int error = nng_ctx_open(&call->context, server->socket);
        if (error == 0) error = nng_aio_alloc(&call->aio, on_call_completed, call);
        if (error != 0) return error;
        await_call(call);
    }
    return 0;
}

int skep__nng_server_new(struct skep__server **out, const struct skep__server *common, const char *url) {
    struct nng_server *server = calloc(1, sizeof *server);
    if (server == NULL) return SKEP_ENOMEM;
    server->common = *common;
    server->hub = (struct skep__nng_hub *)common->hub;
    server->source.handle = refusal_turn;
    int error = nng_rep0_open(&server->socket);
    if (error != 0) {
        free(server);
        return skep__status_of_nng(error);
    }
    error = nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    if (error == 0) error = nng_pipe_notify(server->socket, NNG_PIPE_EV_ADD_PRE, on_client_added, server);
    if (error == 0) error = open_calls(server);
    int status = skep__status_of_nng(error);
    if (status == SKEP_OK) status = skep__guard_open(server->hub, &server->guard, server->socket, url, SKEP__SP_REQ);
    if (status == SKEP_OK) *out = &server->common;
    else skep__nng_server_free(&server->common);
    return status;
}

static void close_server(void *what) {
    struct nng_server *server = what;
    nng_close(server->socket);
    for (unsigned i = 0; i < CALLS; i++) {
        struct nng_call *call = &server->calls[i];
        nng_aio_free(call->aio);
        if (call->request != NULL) nng_msg_free(call->request);
    }
    free(server);
}

void skep__nng_server_free(struct skep__server *common) {
    struct nng_server *server = (struct nng_server *)common;
    skep__guard_close(&server->guard);
    skep__hub_forget(server->hub, &server->source);
    for (unsigned i = 0; i < CALLS; i++) skep__hub_forget(server->hub, &server->calls[i].source);
    skep__closers_start(&server->hub->closers, close_server, server);
}
