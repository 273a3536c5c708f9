/* SPDX-License-Identifier: MIT
 * REP on the loop. A question comes behind a route of 32-bit numbers, the last with its highest bit set; the same goes
 * before the answer. */
#include "transport/loop.h"

enum {
    MAX_CALLS = 64, /* of one connection, that are open: a peer with more is disconnected */
    MAX_UNREAD = 2 * SKEP_MAX_FRAME + MAX_CALLS * 1024 /* bytes of answers that one connection has not read */
};

struct loop_server {
    struct skep__server common; /* first member */
    struct skep__acceptor acceptor;
    LIST_HEAD(, skep__pipe) pipes;
    LIST_HEAD(, loop_call) calls;
};

struct loop_call {
    struct skep__call common; /* first member */
    LIST_ENTRY(loop_call) entry;
    struct skep__pipe *pipe; /* NULL: the asker has gone */
    size_t route_bytes;
    char route[SKEP__SP_MAX_ROUTE * SKEP__SP_NUMBER_BYTES];
};

struct answer {
    struct skep__outgoing outgoing; /* first member */
    char body[];
};

/* --- answers --- */

static void answer_done(struct skep__outgoing *outgoing, bool left) {
    (void)left;
    free(outgoing);
}

static struct answer *new_answer(const struct loop_call *call, const void *data, size_t size_bytes) {
    struct answer *answer = skep__hub_alloc(&call->pipe->hub->common, sizeof *answer + size_bytes);
    if (answer == NULL) return NULL;
    if (size_bytes > 0) memcpy(answer->body, data, size_bytes);
    skep__outgoing_set(&answer->outgoing, call->route, call->route_bytes, answer->body, size_bytes, answer_done);
    return answer;
}

static void ended(struct skep__pipe *pipe, bool all_read);

static void drop(struct skep__pipe *pipe) {
    ended(pipe, false);
    skep__pipe_close(pipe);
}

void skep__loop_call_answer(struct skep__call *common, const void *data, size_t size_bytes) {
    struct loop_call *call = (struct loop_call *)common;
    struct skep__pipe *pipe = call->pipe;
    struct answer *answer = pipe != NULL ? new_answer(call, data, size_bytes) : NULL;
    LIST_REMOVE(call, entry);
    free(call);
    if (pipe == NULL) return;
    pipe->count--;
    if (answer != NULL && skep__pipe_send(pipe, &answer->outgoing)) free(answer);
    if (answer == NULL || pipe->outgoing_bytes > MAX_UNREAD) drop(pipe);
}

/* --- questions --- */

static struct loop_call *new_call(struct skep__pipe *pipe, const char *route, size_t route_bytes) {
    struct loop_server *server = pipe->owner;
    struct loop_call *call = skep__hub_alloc(&pipe->hub->common, sizeof *call);
    if (call == NULL) return NULL;
    call->common = (struct skep__call){.transport = server->common.hub->transport, .pid = pipe->peer.pid};
    call->pipe = pipe;
    call->route_bytes = route_bytes;
    memcpy(call->route, route, route_bytes);
    LIST_INSERT_HEAD(&server->calls, call, entry);
    pipe->count++;
    return call;
}

static void received(struct skep__pipe *pipe, const char *data, size_t size_bytes) {
    const struct loop_server *server = pipe->owner;
    size_t route_bytes = skep__sp_route_bytes(data, size_bytes);
    bool allowed = route_bytes > 0 && pipe->count < MAX_CALLS;
    struct loop_call *call = allowed ? new_call(pipe, data, route_bytes) : NULL;
    if (call == NULL) drop(pipe);
    else
        server->common.events->called(server->common.context, &call->common, data + route_bytes,
                                      size_bytes - route_bytes);
}

/* --- connections --- */

static void ended(struct skep__pipe *pipe, bool all_read) {
    (void)all_read;
    struct loop_server *server = pipe->owner;
    struct loop_call *call;
    LIST_FOREACH(call, &server->calls, entry)
    if (call->pipe == pipe) call->pipe = NULL;
    LIST_REMOVE(pipe, entry);
    skep__acceptor_ended(&server->acceptor, pipe);
}

static void accepted(void *owner, const struct skep__end *end) {
    static const struct skep__pipe_events events = {.received = received, .ended = ended};
    struct loop_server *server = owner;
    struct skep__pipe *pipe;
    if (skep__pipe_new(&pipe, server->acceptor.hub, end, SKEP__SP_REP, &events, server) != SKEP_OK) return;
    pipe->hurries = true;
    LIST_INSERT_HEAD(&server->pipes, pipe, entry);
}

int skep__loop_server_new(struct skep__server **out, const struct skep__server *common, const char *url) {
    struct loop_server *server = calloc(1, sizeof *server);
    if (server == NULL) return SKEP_ENOMEM;
    server->common = *common;
    server->acceptor = (struct skep__acceptor){.hub = (struct skep__loop_hub *)common->hub,
                                               .accepted = accepted,
                                               .owner = server,
                                               .protocol = SKEP__SP_REP,
                                               .refused = common->events->refused,
                                               .misspoke = common->events->misspoke,
                                               .starved = common->events->starved,
                                               .context = common->context};
    LIST_INIT(&server->pipes);
    LIST_INIT(&server->calls);
    int status = skep__acceptor_listen(&server->acceptor, url);
    if (status == SKEP_OK) *out = &server->common;
    else free(server);
    return status;
}

void skep__loop_server_free(struct skep__server *common) {
    struct loop_server *server = (struct loop_server *)common;
    struct loop_call *call;
    struct skep__pipe *pipe;
    skep__acceptor_close(&server->acceptor);
    while ((call = LIST_FIRST(&server->calls)) != NULL) {
        LIST_REMOVE(call, entry);
        free(call);
    }
    while ((pipe = LIST_FIRST(&server->pipes)) != NULL) {
        LIST_REMOVE(pipe, entry);
        skep__pipe_close(pipe);
    }
    free(server);
}
