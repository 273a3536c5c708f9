/* SPDX-License-Identifier: MIT
 * Ports on the loop: PUSH, PULL and SUB here, what is PUB's own in loop_publish.c. */
#include "transport/loop.h"

enum {
    BLAMES = 3, /* malformed frames after which a peer is ignored */
    LOAN_VECTORS = 2 * SKEP_MAX_LOANS + 2,
    KEPT_BYTES = 256 * 1024 /* of a buffer that is kept for the next frame */
};

static const enum skep__sp_protocol protocols[] = {[SKEP__PORT_PUSH] = SKEP__SP_PUSH,
                                                   [SKEP__PORT_PULL] = SKEP__SP_PULL,
                                                   [SKEP__PORT_PUB] = SKEP__SP_PUB,
                                                   [SKEP__PORT_SUB] = SKEP__SP_SUB};

/* --- sending --- */

static void frame_done(struct skep__outgoing *outgoing, bool left);

/* A listening port sends only to peers that have greeted; a dialing port sends at once. The latest connection is the
 * one that lives, if a peer had to connect again. */
static struct skep__pipe *find_carrier(const struct skep__loop_port *port) {
    struct skep__pipe *pipe;
    LIST_FOREACH(pipe, &port->pipes, entry)
    if (pipe->reader.greeted || port->dialer.url != NULL) return pipe;
    return NULL;
}

static void tell_sent(struct skep__loop_port *port) {
    bool wake = port->wake_when_sent && !port->pushing;
    port->wake_when_sent = false;
    if (wake && port->common.events->sent != NULL) port->common.events->sent(port->common.context);
}

static void shut_if_finished(struct skep__loop_port *port) {
    struct skep__pipe *carrier = find_carrier(port);
    if (port->finishing && !port->sending && carrier != NULL) skep__pipe_shut(carrier);
}

static void frame_left(struct skep__loop_port *port) {
    port->sending = false;
    port->carrier = NULL;
    if (port->frame.capacity_bytes > KEPT_BYTES) skep__frame_free(&port->frame);
    skep__frame_clear(&port->frame);
    shut_if_finished(port);
}

static void prepare(struct skep__loop_port *port, struct skep__pipe *carrier) {
    skep__outgoing_set(&port->outgoing, NULL, 0, port->frame.data, port->frame.size_bytes, frame_done);
    port->carrier = carrier;
}

/* Gives the frame to a connection that has none. True if it has left. */
static bool carry(struct skep__loop_port *port) {
    struct skep__pipe *carrier = find_carrier(port);
    if (carrier == NULL) return false;
    prepare(port, carrier);
    return skep__pipe_send(carrier, &port->outgoing);
}

static void carry_waiting(struct skep__loop_port *port) {
    if (!port->sending || port->carrier != NULL || !carry(port)) return;
    frame_left(port);
    tell_sent(port);
}

/* A frame that was cut by the end of its connection has not been seen by the peer: it is sent again, whole. */
static void frame_done(struct skep__outgoing *outgoing, bool left) {
    struct skep__loop_port *port = SKEP_CONTAINER(outgoing, struct skep__loop_port, outgoing);
    port->carrier = NULL;
    if (left) {
        frame_left(port);
        tell_sent(port);
    } else if (!port->freed) {
        carry_waiting(port);
    }
}

/* --- frames with loans --- */

/* Head, own bytes and loans, in the frame's order. */
static size_t lay_out(const struct skep_frame *frame, unsigned char head[SKEP__SP_HEAD_BYTES],
                      struct iovec vectors[LOAN_VECTORS]) {
    size_t n = 0, at = 0;
    skep__sp_head(head, skep__frame_bytes(frame));
    vectors[n++] = (struct iovec){head, SKEP__SP_HEAD_BYTES};
    for (unsigned i = 0; i < frame->loans->count; i++) {
        const struct skep_loan *loan = &frame->loans->loans[i];
        vectors[n++] = (struct iovec){frame->data + at, loan->at - at};
        vectors[n++] = (struct iovec){(void *)(uintptr_t)loan->data, loan->size_bytes};
        at = loan->at;
    }
    vectors[n++] = (struct iovec){frame->data + at, frame->size_bytes - at};
    return n;
}

/* Writes straight from where the bytes lie. True if all has left. */
static bool write_lent(struct skep__pipe *carrier, const struct skep_frame *frame, size_t *written_bytes) {
    unsigned char head[SKEP__SP_HEAD_BYTES];
    struct iovec vectors[LOAN_VECTORS];
    if (carrier == NULL || frame->loans == NULL || frame->loans->count == 0) return false;
    *written_bytes = skep__pipe_try(carrier, vectors, lay_out(frame, head, vectors));
    return *written_bytes == SKEP__SP_HEAD_BYTES + skep__frame_bytes(frame);
}

/* Without memory for what is left of a frame that has begun to leave, its connection has to end, so that the peer drops
 * the part that it has. */
static int settle(const struct skep__hub *hub, struct skep_frame *frame, struct skep__pipe *carrier,
                  size_t written_bytes) {
    int status = skep__frame_settle(frame);
    if (status == SKEP_ENOMEM && skep__hub_lacks(hub)) status = skep__frame_settle(frame);
    if (status != SKEP_OK && written_bytes > 0) skep__pipe_break(carrier);
    return status;
}

/* --- the port's own frame --- */

int skep__loop_port_send(struct skep__port *common, struct skep_frame *frame) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    struct skep__pipe *carrier = find_carrier(port);
    size_t written_bytes = 0;
    if (common->kind != SKEP__PORT_PUB && write_lent(carrier, frame, &written_bytes)) {
        skep__frame_clear(frame);
        frame->loans = NULL;
        return SKEP_OK;
    }
    int status = settle(common->hub, frame, carrier, written_bytes);
    if (status != SKEP_OK) return status;
    if (common->kind == SKEP__PORT_PUB) return skep__loop_publish(port, frame);
    struct skep_frame before = port->frame;
    port->frame = *frame;
    *frame = before; /* the caller gets the buffer of the frame before */
    port->sending = true;
    if (written_bytes > 0) {
        prepare(port, carrier);
        skep__pipe_send_rest(carrier, &port->outgoing, written_bytes);
    } else if (carry(port)) {
        frame_left(port);
    }
    return SKEP_OK;
}

bool skep__loop_port_has_room(struct skep__port *common) {
    return !((struct skep__loop_port *)common)->sending;
}

bool skep__loop_port_is_sending(struct skep__port *common, bool wake) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    port->wake_when_sent = port->sending && (wake || port->wake_when_sent);
    return port->sending;
}

bool skep__loop_port_push(struct skep__port *common) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    port->pushing = true;
    if (port->carrier != NULL) skep__pipe_write(port->carrier);
    port->pushing = false;
    return !port->sending;
}

bool skep__loop_port_finish(struct skep__port *common) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    port->finishing = true;
    shut_if_finished(port);
    return true;
}

/* --- connections --- */

static void greeted(struct skep__pipe *pipe) {
    struct skep__loop_port *port = pipe->owner;
    if (port->common.events->connected != NULL) port->common.events->connected(port->common.context, &pipe->peer);
    if (pipe->fd < 0) return;
    carry_waiting(port);
    shut_if_finished(port);
}

static void received(struct skep__pipe *pipe, const char *data, size_t size_bytes) {
    const struct skep__loop_port *port = pipe->owner;
    if (pipe->count < BLAMES && port->common.events->received != NULL)
        port->common.events->received(port->common.context, data, size_bytes, &pipe->peer);
}

/* If a connection breaks while the port is finishing, another one is finished in its place. */
static void ended(struct skep__pipe *pipe, bool all_read) {
    struct skep__loop_port *port = pipe->owner;
    bool was_there = pipe->reader.greeted && port->common.events->disconnected != NULL;
    LIST_REMOVE(pipe, entry);
    skep__pipe_close(pipe);
    skep__acceptor_ended(&port->acceptor, pipe);
    if (was_there) port->common.events->disconnected(port->common.context, &pipe->peer);
    if (!port->finishing || port->sending || !all_read) {
        skep__dialer_again(&port->dialer, pipe);
        return;
    }
    bool first = !port->finished;
    port->finished = true;
    if (first && port->common.events->finished != NULL) port->common.events->finished(port->common.context);
}

static const struct skep__pipe_events reading = {.greeted = greeted, .received = received, .ended = ended};
static const struct skep__pipe_events writing = {.greeted = greeted, .ended = ended};

static struct skep__pipe *add_pipe(struct skep__loop_port *port, const struct skep__end *end) {
    bool reads = port->common.kind == SKEP__PORT_PULL || port->common.kind == SKEP__PORT_SUB;
    struct skep__pipe *pipe;
    int status =
        skep__pipe_new(&pipe, port->acceptor.hub, end, protocols[port->common.kind], reads ? &reading : &writing, port);
    if (status != SKEP_OK) return NULL;
    LIST_INSERT_HEAD(&port->pipes, pipe, entry);
    return pipe;
}

/* A peer connects again when its connection has ended, perhaps before all that it sent there has been read: that is
 * read first, or it would be overtaken. The latest connection is the first in the list. */
static void accepted(void *owner, const struct skep__end *end) {
    struct skep__loop_port *port = owner;
    struct skep__pipe *before;
    LIST_FOREACH(before, &port->pipes, entry) if (before->peer.pid == end->pid) break;
    if (before != NULL && port->common.kind == SKEP__PORT_PULL) skep__pipe_read_all(before);
    add_pipe(port, end); /* without memory the peer sees the end, and comes again */
}

static void connected(void *owner, const struct skep__end *end) {
    struct skep__loop_port *port = owner;
    struct skep__pipe *pipe = add_pipe(port, end);
    if (pipe == NULL) {
        skep__dialer_again(&port->dialer, NULL);
        return;
    }
    pipe->peer.again = port->dialed;
    port->dialed = true;
    carry_waiting(port);
    shut_if_finished(port);
}

/* --- the rest of the interface --- */

int skep__loop_port_new(struct skep__port **out, const struct skep__port *common) {
    struct skep__loop_port *port = calloc(1, sizeof *port);
    if (port == NULL) return SKEP_ENOMEM;
    struct skep__loop_hub *hub = (struct skep__loop_hub *)common->hub;
    port->common = *common;
    port->acceptor = (struct skep__acceptor){.hub = hub,
                                             .accepted = accepted,
                                             .owner = port,
                                             .protocol = protocols[common->kind],
                                             .refused = common->events->refused,
                                             .misspoke = common->events->misspoke,
                                             .starved = common->events->starved,
                                             .context = common->context};
    port->dialer = (struct skep__dialer){.hub = hub, .connected = connected, .owner = port};
    LIST_INIT(&port->pipes);
    *out = &port->common;
    return SKEP_OK;
}

int skep__loop_port_listen(struct skep__port *common, const char *url) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    port->acceptor.only = common->only;
    return skep__acceptor_listen(&port->acceptor, url);
}

int skep__loop_port_dial(struct skep__port *common, const char *url, bool wait) {
    return skep__dialer_dial(&((struct skep__loop_port *)common)->dialer, url, wait);
}

/* The oldest connection of a process that is younger than this number. */
static struct skep__pipe *next_of(const struct skep__loop_port *port, pid_t pid, uint32_t number) {
    struct skep__pipe *pipe, *oldest = NULL;
    LIST_FOREACH(pipe, &port->pipes, entry)
    if (pipe->peer.pid == pid && pipe->peer.pipe > number && (oldest == NULL || pipe->peer.pipe < oldest->peer.pipe))
        oldest = pipe;
    return oldest;
}

/* In the order in which it connected, since that is the order in which it sent. What is read may end any of them. */
void skep__loop_port_read(struct skep__port *common, pid_t pid) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    uint32_t number = 0;
    skep__acceptor_accept(&port->acceptor);
    for (struct skep__pipe *pipe; (pipe = next_of(port, pid, number)) != NULL;) {
        number = pipe->peer.pipe;
        skep__pipe_read_all(pipe);
    }
}

bool skep__loop_port_blame(struct skep__port *common, uint32_t number) {
    const struct skep__loop_port *port = (struct skep__loop_port *)common;
    struct skep__pipe *pipe;
    LIST_FOREACH(pipe, &port->pipes, entry)
    if (pipe->peer.pipe == number) return ++pipe->count >= BLAMES;
    return false;
}

void skep__loop_port_free(struct skep__port *common) {
    struct skep__loop_port *port = (struct skep__loop_port *)common;
    struct skep__pipe *pipe;
    port->freed = true;
    skep__acceptor_close(&port->acceptor);
    skep__dialer_close(&port->dialer);
    while ((pipe = LIST_FIRST(&port->pipes)) != NULL) {
        LIST_REMOVE(pipe, entry);
        skep__pipe_close(pipe);
    }
    skep__frame_free(&port->frame);
    free(port);
}
