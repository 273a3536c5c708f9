/* SPDX-License-Identifier: MIT
 * Ports over NNG: one socket with one receive or one send under way. */
#include <time.h>

#include "common/table.h"
#include "transport/nng.h"

enum {
    QUEUE_BYTES = 8 * 1024 * 1024, /* frames that wait for the loop before receiving pauses */
    MESSAGE_COST_BYTES = 256,      /* of a queued message, besides its body */
    NEWS_DEPTH = 128,              /* frames that a slow subscriber may be behind */
    GONE_PIPES = 256,              /* closed pipes whose last frames may still be on their way */
    BLAMES = 3,                    /* malformed messages after which a peer is ignored from now on */
    SETTLE_MS = 10                 /* between the end of receiving and that of the connections */
};

struct pipe {
    struct skep__peer peer;
    bool announced;  /* by the connected event */
    unsigned blames; /* malformed messages */
    UT_hash_handle hh;
    STAILQ_ENTRY(pipe) gone;
};

struct item {
    nng_msg *message;
    struct skep__peer peer;
};

struct nng_port {
    struct skep__port common; /* first member */
    struct skep__nng_hub *hub;
    struct skep__source source;
    nng_socket socket;
    struct skep__guard guard; /* if it listens */
    nng_aio *receive;
    nng_aio *send;
    bool receives;
    bool delivering; /* what has come is being handed over */

    /* guarded */
    struct item *items;
    size_t item_count, item_capacity, queued_bytes;
    bool paused;
    bool sending;
    nng_msg *next; /* leaves after the one that is under way; NULL: none */
    bool wake_when_sent;
    bool was_sent;
    struct skep__peer refused; /* who was turned away last */
    bool was_refused;
    struct pipe *pipes;
    STAILQ_HEAD(, pipe) gone_pipes;
    unsigned gone_count;
};

static void on_pipe_added(nng_pipe pipe, nng_pipe_ev event, void *argument) {
    (void)event;
    struct nng_port *port = argument;
    struct skep__peer who = skep__nng_peer(pipe);
    atomic_fetch_add(&port->guard.seen, 1);
    bool meant = port->common.only == 0 || port->common.only == who.pid;
    bool trusted = meant && skep__hub_trusts(&port->hub->common, who.uid);
    struct pipe *known = trusted ? calloc(1, sizeof *known) : NULL;
    pthread_mutex_lock(&port->hub->mutex);
    if (known != NULL) {
        *known = (struct pipe){.peer = who};
        HASH_ADD_INT(port->pipes, peer.pipe, known);
    }
    bool is_known = known != NULL && SKEP_IS_ADDED(known, hh);
    if (!trusted) port->refused = who;
    if (!trusted) port->was_refused = true;
    if (is_known || !trusted) skep__hub_wake(port->hub, &port->source);
    pthread_mutex_unlock(&port->hub->mutex);
    if (is_known) return;
    free(known);
    nng_pipe_close(pipe);
}

/* Under the mutex. */
static struct pipe *find_pipe(const struct nng_port *port, uint32_t id) {
    struct pipe *known;
    HASH_FIND_INT(port->pipes, &id, known);
    return known;
}

static void drop_pipe(struct nng_port *port, struct pipe *pipe) {
    HASH_DEL(port->pipes, pipe); // NOLINT(clang-analyzer-unix.Malloc): it cannot see that this one is in the table
    free(pipe);
}

/* The last frames of a pipe may still be on their way when it has gone, so its pid is kept for a while. */
static void on_pipe_removed(nng_pipe pipe, nng_pipe_ev event, void *argument) {
    (void)event;
    struct nng_port *port = argument;
    pthread_mutex_lock(&port->hub->mutex);
    struct pipe *known = find_pipe(port, (uint32_t)nng_pipe_id(pipe));
    if (known != NULL) {
        STAILQ_INSERT_TAIL(&port->gone_pipes, known, gone);
        port->gone_count++;
    }
    if (port->gone_count > GONE_PIPES) {
        struct pipe *oldest = STAILQ_FIRST(&port->gone_pipes);
        STAILQ_REMOVE_HEAD(&port->gone_pipes, gone);
        port->gone_count--;
        drop_pipe(port, oldest);
    }
    pthread_mutex_unlock(&port->hub->mutex);
}

static bool is_muted(const struct pipe *known) {
    return known != NULL && known->blames >= BLAMES;
}

/* Under the mutex. False if it is not wanted, or there is no memory. */
static bool queue_message(struct nng_port *port, nng_msg *message) {
    uint32_t id = (uint32_t)nng_pipe_id(nng_msg_get_pipe(message));
    const struct pipe *known = find_pipe(port, id);
    if (is_muted(known)) return false;
    if (port->item_count == port->item_capacity) {
        size_t capacity = port->item_capacity > 0 ? port->item_capacity * 2 : 16;
        struct item *items = realloc(port->items, capacity * sizeof *items);
        if (items == NULL) return false;
        port->items = items;
        port->item_capacity = capacity;
    }
    struct skep__peer peer = known != NULL ? known->peer : (struct skep__peer){.pipe = id, .uid = (uid_t)-1};
    port->items[port->item_count++] = (struct item){.message = message, .peer = peer};
    port->queued_bytes += nng_msg_len(message) + MESSAGE_COST_BYTES;
    return true;
}

static void on_received(void *argument) {
    struct nng_port *port = argument;
    if (nng_aio_result(port->receive) != 0) return; /* the socket is being closed */
    nng_msg *message = nng_aio_get_msg(port->receive);
    pthread_mutex_lock(&port->hub->mutex);
    bool queued = queue_message(port, message);
    port->paused = port->queued_bytes > QUEUE_BYTES;
    bool again = !port->paused && !port->source.forgotten;
    skep__hub_wake(port->hub, &port->source);
    pthread_mutex_unlock(&port->hub->mutex);
    if (!queued) nng_msg_free(message);
    if (again) nng_recv_aio(port->socket, port->receive);
}

static void send_now(struct nng_port *port, nng_msg *message) {
    nng_aio_set_msg(port->send, message);
    nng_send_aio(port->socket, port->send);
}

/* Nothing begins any more on a socket that is about to be closed: NNG would keep it, and cancel it by freed memory. */
static void on_sent(void *argument) {
    struct nng_port *port = argument;
    int error = nng_aio_result(port->send);
    if (error != 0) nng_msg_free(nng_aio_get_msg(port->send));
    nng_aio_set_msg(port->send, NULL);
    pthread_mutex_lock(&port->hub->mutex);
    nng_msg *next = port->next;
    bool again = next != NULL && error == 0 && !port->source.forgotten; /* else the socket is being closed */
    port->next = NULL;
    port->sending = again;
    port->was_sent = port->was_sent || port->wake_when_sent;
    port->wake_when_sent = false;
    if (port->was_sent) skep__hub_wake(port->hub, &port->source);
    pthread_mutex_unlock(&port->hub->mutex);
    if (again) send_now(port, next);
    else nng_msg_free(next);
}

/* Part of what came in one go may have been the third too many. */
static bool is_heard(struct nng_port *port, uint32_t id) {
    pthread_mutex_lock(&port->hub->mutex);
    bool heard = !is_muted(find_pipe(port, id));
    pthread_mutex_unlock(&port->hub->mutex);
    return heard;
}

static void deliver(struct nng_port *port, struct item *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        nng_msg *message = items[i].message;
        if (port->common.events->received != NULL && is_heard(port, items[i].peer.pipe))
            port->common.events->received(port->common.context, nng_msg_body(message), nng_msg_len(message),
                                          &items[i].peer);
        nng_msg_free(message);
    }
    free(items);
}

/* Under the mutex. The oldest: the table is in the order in which they came. */
static struct pipe *next_unannounced(const struct nng_port *port) {
    struct pipe *pipe = port->pipes;
    while (pipe != NULL && pipe->announced) pipe = pipe->hh.next;
    return pipe;
}

static void announce_pipes(struct nng_port *port) {
    if (port->common.events->connected == NULL) return;
    pthread_mutex_lock(&port->hub->mutex);
    for (struct pipe *pipe; (pipe = next_unannounced(port)) != NULL;) {
        struct skep__peer peer = pipe->peer;
        pipe->announced = true;
        pthread_mutex_unlock(&port->hub->mutex);
        port->common.events->connected(port->common.context, &peer);
        pthread_mutex_lock(&port->hub->mutex);
    }
    pthread_mutex_unlock(&port->hub->mutex);
}

static void port_turn(struct skep__source *source) {
    struct nng_port *port = SKEP_CONTAINER(source, struct nng_port, source);
    pthread_mutex_lock(&port->hub->mutex);
    struct item *items = port->items;
    size_t count = port->item_count;
    bool paused = port->paused, was_sent = port->was_sent, was_refused = port->was_refused;
    struct skep__peer refused = port->refused;
    port->items = NULL;
    port->item_count = port->item_capacity = port->queued_bytes = 0;
    port->paused = port->was_sent = port->was_refused = false;
    pthread_mutex_unlock(&port->hub->mutex);
    if (paused) nng_recv_aio(port->socket, port->receive);
    if (was_refused && port->common.events->refused != NULL)
        port->common.events->refused(port->common.context, refused.pid, refused.uid);
    announce_pipes(port);
    port->delivering = true;
    deliver(port, items, count);
    port->delivering = false;
    if (was_sent && port->common.events->sent != NULL) port->common.events->sent(port->common.context);
}

static int (*const open_socket[])(nng_socket *socket) = {[SKEP__PORT_PUSH] = nng_push0_open,
                                                         [SKEP__PORT_PULL] = nng_pull0_open,
                                                         [SKEP__PORT_PUB] = nng_pub0_open,
                                                         [SKEP__PORT_SUB] = nng_sub0_open};

static int open_port(struct nng_port *port) {
    port->receives = port->common.kind == SKEP__PORT_PULL || port->common.kind == SKEP__PORT_SUB;
    int error = nng_socket_set_size(port->socket, NNG_OPT_RECVMAXSZ, SKEP_MAX_FRAME);
    if (error == 0 && port->common.kind == SKEP__PORT_PUB)
        error = nng_socket_set_int(port->socket, NNG_OPT_SENDBUF, NEWS_DEPTH);
    if (error == 0 && port->common.kind == SKEP__PORT_SUB)
        error = nng_socket_set(port->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (error == 0) error = nng_pipe_notify(port->socket, NNG_PIPE_EV_ADD_PRE, on_pipe_added, port);
    if (error == 0) error = nng_pipe_notify(port->socket, NNG_PIPE_EV_REM_POST, on_pipe_removed, port);
    if (error == 0 && port->receives) error = nng_aio_alloc(&port->receive, on_received, port);
    if (error == 0 && !port->receives) error = nng_aio_alloc(&port->send, on_sent, port);
    if (error == 0 && port->receives) nng_recv_aio(port->socket, port->receive);
    return error;
}

int skep__nng_port_new(struct skep__port **out, const struct skep__port *common) {
    struct nng_port *port = calloc(1, sizeof *port);
    if (port == NULL) return SKEP_ENOMEM;
    port->common = *common;
    port->hub = (struct skep__nng_hub *)common->hub;
    port->source.handle = port_turn;
    STAILQ_INIT(&port->gone_pipes);
    int error = open_socket[common->kind](&port->socket);
    if (error != 0) {
        free(port);
        return skep__status_of_nng(error);
    }
    error = open_port(port);
    if (error == 0) *out = &port->common;
    else skep__nng_port_free(&port->common);
    return skep__status_of_nng(error);
}

/* A PUSH socket that listens is an inbox: it has one client only, who has come or never will. */
static unsigned char watched_peer(enum skep__port_kind kind) {
    if (kind == SKEP__PORT_PULL) return SKEP__SP_PUSH;
    return kind == SKEP__PORT_PUB ? SKEP__SP_SUB : 0;
}

int skep__nng_port_listen(struct skep__port *common, const char *url) {
    struct nng_port *port = (struct nng_port *)common;
    return skep__guard_open(port->hub, &port->guard, port->socket, url, watched_peer(common->kind));
}

int skep__nng_port_dial(struct skep__port *common, const char *url, bool wait) {
    return skep__nng_dial(((struct nng_port *)common)->socket, url, wait ? 0 : NNG_FLAG_NONBLOCK);
}

/* A second frame may be given while the first is under way: it leaves as soon as that is gone, without a turn of the
 * loop in between. */
int skep__nng_port_send(struct skep__port *common, struct skep_frame *frame) {
    struct nng_port *port = (struct nng_port *)common;
    nng_msg *message;
    if (skep__frame_settle(frame) != SKEP_OK || nng_msg_alloc(&message, frame->size_bytes) != 0) return SKEP_ENOMEM;
    memcpy(nng_msg_body(message), frame->data, frame->size_bytes);
    skep__frame_clear(frame);
    pthread_mutex_lock(&port->hub->mutex);
    bool now = !port->sending;
    port->sending = true;
    if (!now) port->next = message;
    pthread_mutex_unlock(&port->hub->mutex);
    if (now) send_now(port, message);
    return SKEP_OK;
}

bool skep__nng_port_has_room(struct skep__port *common) {
    struct nng_port *port = (struct nng_port *)common;
    pthread_mutex_lock(&port->hub->mutex);
    bool has_room = port->next == NULL;
    pthread_mutex_unlock(&port->hub->mutex);
    return has_room;
}

/* A wake-up of the loop for each message would cost as much as the message. */
bool skep__nng_port_is_sending(struct skep__port *common, bool wake) {
    struct nng_port *port = (struct nng_port *)common;
    pthread_mutex_lock(&port->hub->mutex);
    bool sending = port->sending;
    port->wake_when_sent = sending && (wake || port->wake_when_sent);
    pthread_mutex_unlock(&port->hub->mutex);
    return sending;
}

/* Its threads write by themselves. */
bool skep__nng_port_push(struct skep__port *common) {
    (void)common;
    return true;
}

/* It calls a message sent that its peer may never see. */
bool skep__nng_port_finish(struct skep__port *common) {
    (void)common;
    return false;
}

void skep__nng_port_read(struct skep__port *common, pid_t pid) {
    struct nng_port *port = (struct nng_port *)common;
    (void)pid;
    if (!port->delivering) port_turn(&port->source);
}

/* The connection of a peer that is ignored from now on stays open: NNG 1.5.2 may never finish with one that is closed
 * here while a message moves. */
bool skep__nng_port_blame(struct skep__port *common, uint32_t id) {
    struct nng_port *port = (struct nng_port *)common;
    pthread_mutex_lock(&port->hub->mutex);
    struct pipe *known = find_pipe(port, id);
    if (known != NULL) known->blames++;
    bool muted = is_muted(known);
    pthread_mutex_unlock(&port->hub->mutex);
    return muted;
}

/* nng_close ends what is under way and waits for the callbacks. What still moves has a moment to end before, since NNG
 * may never finish with a connection that ends while a frame moves. A callback must not begin anything on a socket that
 * is being closed, which NNG would never complete: so both are stopped before. What a callback could not send any more
 * is still there then. */
static void close_port(void *what) {
    static const struct timespec settle = {.tv_nsec = SETTLE_MS * 1000000L};
    struct nng_port *port = what;
    struct pipe *pipe, *next;
    nanosleep(&settle, NULL);
    if (port->receive != NULL) nng_aio_stop(port->receive);
    if (port->send != NULL) nng_aio_stop(port->send);
    if (port->send != NULL) nng_msg_free(nng_aio_get_msg(port->send));
    nng_close(port->socket);
    nng_aio_free(port->receive);
    nng_aio_free(port->send);
    for (size_t i = 0; i < port->item_count; i++) nng_msg_free(port->items[i].message);
    free(port->items);
    HASH_ITER(hh, port->pipes, pipe, next) drop_pipe(port, pipe);
    free(port);
}

void skep__nng_port_free(struct skep__port *common) {
    struct nng_port *port = (struct nng_port *)common;
    skep__guard_close(&port->guard);
    skep__hub_forget(port->hub, &port->source);
    skep__closers_start(&port->hub->closers, close_port, port);
}
