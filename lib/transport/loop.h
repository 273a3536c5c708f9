/* SPDX-License-Identifier: MIT
 * The loop's own transport, inside: a hub, connections (pipes), and the two ways to get them. Everything runs on the
 * loop's thread; there are no locks and no threads. A pipe stands on its sender, both stand on the hub, and so do
 * acceptors and dialers; ports, servers and callers on all of these. */
#pragma once

#include <sys/queue.h>
#include <sys/uio.h>

#include "common/table.h"
#include "transport/private.h"
#include "transport/sp.h"

/* --- hub --- */

enum { SKEP__DISMISSED_MOST = 8 };

struct skep__loop_hub {
    struct skep__hub common; /* first member */
    char *buffer;            /* what is received lies here while its frames are handed over */
    bool buffer_used;
    uint32_t next_pipe;
    uv_timer_t timer;                         /* runs while somebody is late, or a listener is out of descriptors */
    bool (*look)(struct skep__loop_hub *hub); /* after these, at each tick; false: there are none any more */
    LIST_HEAD(, skep__pipe) late;
    LIST_HEAD(, skep__acceptor) starved;
    int dismissed[SKEP__DISMISSED_MOST]; /* descriptors to be closed at the next tick */
    unsigned dismissed_count;
    struct skep__sender *senders; /* processes with connections that were accepted, by their pid */
    size_t unfinished_bytes;      /* of all of them */
};

/* Makes a hub that looks so after what stands on it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__loop_hub_make(struct skep__hub **hub, uv_loop_t *loop,
                                      bool (*look)(struct skep__loop_hub *hub));

/* Ends a connection that is refused, so that its peer reads the end of it, and closes it a moment later: what the peer
 * writes meanwhile, its greeting, is no error to it. */
void skep__loop_hub_dismiss(struct skep__loop_hub *hub, int fd);

/* Starts the timer, if it does not run. */
void skep__loop_hub_watch(struct skep__loop_hub *hub);

/* --- pipes: connections --- */

/* Something that is being sent: SP's head, what a protocol puts before the body, the body. The sender's memory until
 * done. */
struct skep__outgoing {
    STAILQ_ENTRY(skep__outgoing) entry;
    unsigned char head[SKEP__SP_HEAD_BYTES + 4 * 8];
    size_t head_bytes;
    const char *body;
    size_t body_bytes;
    /* The kernel has all of it (left), or the pipe has ended or was closed before. Never inside skep__pipe_send. */
    void (*done)(struct skep__outgoing *outgoing, bool left);
};

/* Fills in an outgoing: a route before the body, or none (0 bytes), which is copied. */
static inline void skep__outgoing_set(struct skep__outgoing *outgoing, const void *route, size_t route_bytes,
                                      const void *body, size_t body_bytes,
                                      void (*done)(struct skep__outgoing *outgoing, bool left)) {
    outgoing->head_bytes = SKEP__SP_HEAD_BYTES + route_bytes;
    outgoing->body = body;
    outgoing->body_bytes = body_bytes;
    outgoing->done = done;
    skep__sp_head(outgoing->head, route_bytes + body_bytes);
    if (route_bytes > 0) memcpy(outgoing->head + SKEP__SP_HEAD_BYTES, route, route_bytes);
}

/* A connected descriptor and who is at its other end */
struct skep__end {
    int fd;
    bool dialed; /* by us: the other end may not have been accepted yet */
    pid_t pid;
    uid_t uid;
};

struct skep__pipe;

/* What its owner learns of a pipe. Each may close it. */
struct skep__pipe_events {
    void (*greeted)(struct skep__pipe *pipe); /* the peer speaks the right protocol; optional */
    /* A frame, borrowed until it returns. NULL: the peer may send none. */
    void (*received)(struct skep__pipe *pipe, const char *data, size_t size_bytes);
    /* The peer has closed, broke a rule (reader.why says which) or was overdue; then the pipe is freed. all_read: by an
     * orderly end of file, which says that the peer had read everything. */
    void (*ended)(struct skep__pipe *pipe, bool all_read);
};

struct skep__pipe {
    LIST_ENTRY(skep__pipe) entry; /* its owner's */
    struct skep__loop_hub *hub;
    const struct skep__pipe_events *events;
    void *owner;
    struct skep__peer peer;
    uint64_t since_ms; /* the loop's time when it was made */
    unsigned count;    /* the owner's: malformed frames, or calls that are open */
    bool hurries;      /* the owner's: what waits must be read soon */

    /* the pipe's own */
    int fd; /* -1: closed */
    uv_poll_t poll;
    int watched; /* events that are polled for */
    enum skep__sp_protocol protocol;
    struct skep__sp_reader reader;
    STAILQ_HEAD(, skep__outgoing) outgoing;
    size_t outgoing_bytes;
    size_t written_bytes; /* of the first */
    bool dialed;
    bool shut;      /* nothing is sent after what waits */
    bool broken;    /* writing has failed: reading will tell */
    bool reading;   /* frames are being handed over */
    bool is_late;   /* in hub->late */
    unsigned ticks; /* for how long */
    LIST_ENTRY(skep__pipe) late_entry;
    struct skep__sender *sender; /* NULL: it was dialed, and its peer is trusted with memory */
    LIST_ENTRY(skep__pipe) sender_entry;
    size_t unfinished_bytes; /* room of a frame that has come in part, as it was counted last */
};

/* A connection to a peer over a descriptor, which belongs to the pipe, also if this fails; it greets at once. Errors:
 * SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__pipe_new(struct skep__pipe **pipe, struct skep__loop_hub *hub, const struct skep__end *end,
                                 enum skep__sp_protocol protocol, const struct skep__pipe_events *events, void *owner);

/* Writes vectors of a frame that is not queued, as far as the socket takes it; only if nothing waits. The number of
 * bytes. */
size_t skep__pipe_try(struct skep__pipe *pipe, const struct iovec *vectors, size_t count);

/* Queues the rest of a frame that has begun to leave with skep__pipe_try. */
void skep__pipe_send_rest(struct skep__pipe *pipe, struct skep__outgoing *outgoing, size_t written_bytes);

/* Queues something and writes as much as the socket takes. True if all of it has left: done is not called then. */
bool skep__pipe_send(struct skep__pipe *pipe, struct skep__outgoing *outgoing);

/* Writes what waits as far as the socket takes it; done is called for what has left. */
void skep__pipe_write(struct skep__pipe *pipe);

/* Ends the connection as if the peer had: the ended event follows. */
void skep__pipe_break(struct skep__pipe *pipe);

/* Takes back what has not begun to leave; done is not called. False if it has begun. */
bool skep__pipe_unsend(struct skep__pipe *pipe, struct skep__outgoing *outgoing);

/* Closes the sending half when what waits has left. */
void skep__pipe_shut(struct skep__pipe *pipe);

/* Hands over all that has arrived. */
void skep__pipe_read_all(struct skep__pipe *pipe);

/* Closes without an event; what waited is done and has not left. Allowed in the pipe's own events. */
void skep__pipe_close(struct skep__pipe *pipe);

/* Another tick has passed for those that are late: those that were so for 40 end. */
void skep__pipes_end_overdue(struct skep__loop_hub *hub);

/* --- senders: what peers may make this process keep --- */

/* A process that has connected. Those that the kernel does not name, in other pid namespaces, are one. */
struct skep__sender {
    UT_hash_handle hh;
    pid_t pid;
    size_t unfinished_bytes; /* of all its pipes */
    LIST_HEAD(, skep__pipe) pipes;
};

/* A pipe that was accepted begins and ends. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__sender_join(struct skep__pipe *pipe);
void skep__sender_leave(struct skep__pipe *pipe);

/* Counts what the pipe's reader keeps now. Errors: SKEP_EPROTO (its process makes this one keep too much; the pipe is
 * to be ended). */
SKEP_MUST_USE int skep__sender_count(struct skep__pipe *pipe);

/* If all processes together make this one keep too much: the greatest pipe of the one with the most, which is to be
 * broken, and is not counted any more. Else NULL. */
struct skep__pipe *skep__sender_excess(struct skep__loop_hub *hub);

/* --- acceptors and dialers: where pipes come from --- */

/* Listens. Part of its owner. */
struct skep__acceptor {
    struct skep__loop_hub *hub;
    /* A connection of a trusted user, and of the process that it is for; the descriptor is the callee's. */
    void (*accepted)(void *owner, const struct skep__end *end);
    void *owner;
    enum skep__sp_protocol protocol; /* its own */
    pid_t only;                      /* may connect; 0: all may */
    /* As of a port or server, with its context */
    void (*refused)(void *context, pid_t pid, uid_t uid);
    void (*misspoke)(void *context, const struct skep__peer *peer, const char *why);
    void (*starved)(void *context);
    void *context;
    uint64_t told_since_ms;               /* when the present second of reports began; the loop's time */
    unsigned told_count;                  /* reports in it */
    struct skep__acceptor_handle *handle; /* NULL: not listening */
    LIST_ENTRY(skep__acceptor) starved_entry;
    bool is_starved;
};

/* Errors: as skep__port_listen. */
SKEP_MUST_USE int skep__acceptor_listen(struct skep__acceptor *acceptor, const char *url);

/* A connection of its owner's has ended: reports the peer if it does not speak SP as it should. Eight misbehaving peers
 * a second are reported at most, so that none floods the log. */
void skep__acceptor_ended(struct skep__acceptor *acceptor, const struct skep__pipe *pipe);

/* Accepts what waits, 4,096 connections at most, now. */
void skep__acceptor_accept(struct skep__acceptor *acceptor);

/* All that had stopped for want of descriptors accept again. */
void skep__acceptors_recover(struct skep__loop_hub *hub);

/* Stops listening and removes the socket's file, if it is still its own. */
void skep__acceptor_close(struct skep__acceptor *acceptor);

/* Connects, again and again. Part of its owner. */
struct skep__dialer {
    struct skep__loop_hub *hub;
    void (*connected)(void *owner, const struct skep__end *end); /* the descriptor is the callee's */
    void *owner;
    char *url;         /* NULL: not dialing */
    uv_timer_t *timer; /* allocated: it outlives the dialer until it has closed */
    uint64_t delay_ms; /* before the next try */
};

/* The first try is made inside this call; wait: it must succeed. Errors: as skep__port_dial. */
SKEP_MUST_USE int skep__dialer_dial(struct skep__dialer *dialer, const char *url, bool wait);

/* Connects again: soon if the connection that has ended lasted for a while, else twice as late as the time before. pipe
 * is that connection; NULL: there was none. */
void skep__dialer_again(struct skep__dialer *dialer, const struct skep__pipe *pipe);

void skep__dialer_close(struct skep__dialer *dialer);

/* --- a port --- */

struct skep__loop_port {
    struct skep__port common; /* first member */
    struct skep__acceptor acceptor;
    struct skep__dialer dialer;
    bool dialed;                   /* it has been connected once */
    LIST_HEAD(, skep__pipe) pipes; /* the latest first */
    bool freed;

    /* PUSH: the frame under way */
    struct skep_frame frame;
    struct skep__outgoing outgoing;
    struct skep__pipe *carrier; /* the connection that has it; NULL: none is there */
    bool sending;               /* there is one */
    bool wake_when_sent;
    bool pushing; /* skep__port_push runs */
    bool finishing, finished;
};

/* Sends a frame to every peer of a PUB port. */
SKEP_MUST_USE int skep__loop_publish(struct skep__loop_port *port, struct skep_frame *frame);

/* --- what the transport does --- */

#define OPERATION(result, name, parameters) result skep__loop_##name parameters;
#include "transport/operations.def"
