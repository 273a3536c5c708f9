/* SPDX-License-Identifier: MIT
 * Frames between processes, as a libuv loop sees them: hubs, ports, servers, callers. Every callback runs on the loop's
 * thread. Two transports speak the same wire, SP over Unix sockets (docs/protocol.md, "SP over Unix sockets"): the
 * loop's own, which is the default, and NNG's sockets, if SKEP_TRANSPORT=nng. */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "command.h"

/* Message for SKEP_EINVAL of skep__hub_new */
#define SKEP__UNKNOWN_TRANSPORT SKEP_ENV_TRANSPORT " names no transport: it is loop (the default) or nng"

/* What the sockets of one loop share. Must outlive its ports, servers and callers. */
struct skep__hub;

/* Does not keep the loop alive. With NNG all signals are blocked while it starts its threads, which inherit the mask.
 * Errors: SKEP_EINVAL (SKEP_TRANSPORT names no transport), SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__hub_new(struct skep__hub **hub, uv_loop_t *loop);

/* Frees the hub when its handles have closed, on a later turn of the loop; sets *hub to NULL. With NNG it waits for
 * sockets that are being closed, a second at most: what hangs then stays behind. */
void skep__hub_free(struct skep__hub **hub);

/* Lets processes of one more user connect to ports: workers that run as another one than this process. Servers answer
 * this process's user and root only. False: there are 16 already. */
SKEP_MUST_USE bool skep__hub_trust(struct skep__hub *hub, uid_t uid);

/* Whether a user may connect to ports. */
bool skep__hub_trusts(const struct skep__hub *hub, uid_t uid);

/* lacks is called when there is no memory for a connection, a frame or an answer. True: it has freed some, and it is
 * tried again. Not with NNG. */
void skep__hub_on_lack(struct skep__hub *hub, bool (*lacks)(void *context), void *context);

/* --- ports: one way --- */

enum skep__port_kind { SKEP__PORT_PUSH, SKEP__PORT_PULL, SKEP__PORT_PUB, SKEP__PORT_SUB };

/* The other end of a connection, as the kernel knows it */
struct skep__peer {
    uint32_t pipe; /* number of the connection */
    pid_t pid;     /* 0 if unknown */
    uid_t uid;
    bool again; /* this end dialed before: that connection was cut, perhaps before this end had read anything of it */
};

/* All optional */
struct skep__port_events {
    /* A frame, borrowed until it returns. */
    void (*received)(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);
    void (*sent)(void *context);     /* only after skep__port_is_sending was asked to wake */
    void (*finished)(void *context); /* after skep__port_finish: the peer has read everything */
    /* A connection is there; the second one of a peer that lives means that the first was cut. */
    void (*connected)(void *context, const struct skep__peer *peer);
    /* It has ended. Not with NNG. */
    void (*disconnected)(void *context, const struct skep__peer *peer);
    /* A peer was turned away: it is of another user, or not the one that the port is for. This event and the next come
     * eight times a second at most. */
    void (*refused)(void *context, pid_t pid, uid_t uid);
    /* A peer does not speak SP as it should, or makes this process keep too much of unfinished messages: its connection
     * was closed. Not with NNG. */
    void (*misspoke)(void *context, const struct skep__peer *peer, const char *why);
    /* No peer can connect, because descriptors or memory have run out; it tries again four times a second. Not with
     * NNG. */
    void (*starved)(void *context);
};

struct skep__port;

/* events is borrowed and must outlive the port. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__port_new(struct skep__port **port, struct skep__hub *hub, enum skep__port_kind kind,
                                 const struct skep__port_events *events, void *context);

/* Only this process may connect to the port, which listens afterwards. */
void skep__port_only(struct skep__port *port, pid_t pid);

/* Binds an ipc URL with mode 0600. Peers of another user (but root) are refused. Errors: SKEP_EADDRINUSE, SKEP_EURL,
 * SKEP_EACCES, SKEP_EMFILE, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__port_listen(struct skep__port *port, const char *url);

/* Connects, and connects again, within 10 ms to 1 s, whenever the connection has ended. Waits until the first one is
 * there. Errors: SKEP_ECLOSED (it is not listening), SKEP_EACCES, SKEP_EURL, SKEP_EMFILE, SKEP_ESYS. */
SKEP_MUST_USE int skep__port_dial(struct skep__port *port, const char *url);

/* The same without waiting: what is sent meanwhile leaves when the connection is there. */
SKEP_MUST_USE int skep__port_dial_soon(struct skep__port *port, const char *url);

/* Sends a frame, at once as far as the socket takes it; the rest follows by itself. What the frame has borrowed is
 * copied only if not all of it leaves at once. *frame is empty afterwards, without loans; it may have another buffer.
 * Only if skep__port_has_room. To a PUB port's peers that are too far behind the oldest frames are lost. Errors:
 * SKEP_ENOMEM; the frame is as before then. */
SKEP_MUST_USE int skep__port_send(struct skep__port *port, struct skep_frame *frame);

/* Whether a frame can be given to skep__port_send now: while one is under way it cannot, or, with NNG, only one more.
 */
bool skep__port_has_room(struct skep__port *port);

/* Whether a frame is still under way. If one is and wake is true, the sent event follows when it has left. */
bool skep__port_is_sending(struct skep__port *port, bool wake);

/* Writes on what is under way, without the loop's help, as far as the socket takes it. No sent event follows for what
 * leaves inside this call. False if something is left that waits for the loop. */
bool skep__port_push(struct skep__port *port);

/* Nothing is sent any more: when all has left, the connection's sending half is closed, and the finished event follows
 * when the peer has read to the end. If the connection breaks instead, it is made again, and that says nothing of what
 * was sent on the one before. Nothing may be sent after this. False if the transport cannot know all that (NNG): no
 * event follows. */
SKEP_MUST_USE bool skep__port_finish(struct skep__port *port);

/* Hands over, before it returns, what a process has sent so far, also on connections that were not accepted yet; 16 MiB
 * of each at most. The received event comes inside, perhaps for other processes too. For a process that has ended, or
 * says that it has sent all. Not complete without descriptors to accept with, nor with NNG: then it is what NNG has
 * handed over so far. Not from the port's own events. */
void skep__port_read(struct skep__port *port, pid_t pid);

/* Notes that a frame of this connection (skep__peer.pipe) was malformed. From the third on nothing that it sends is
 * handed over any more; true if so. */
bool skep__port_blame(struct skep__port *port, uint32_t pipe);

/* Closes, drops what was under way, sets *port to NULL; no event comes any more, and the path is free. Not from the
 * port's own events. */
void skep__port_free(struct skep__port **port);

/* --- servers: answer questions (REP) --- */

struct skep__server;
struct skep__call;

struct skep__server_events {
    /* A question, borrowed until it returns. Exactly one skep__call_answer must follow, at once or later. */
    void (*called)(void *context, struct skep__call *call, const void *data, size_t size_bytes);
    /* Optional, as of a port */
    void (*refused)(void *context, pid_t pid, uid_t uid);
    void (*misspoke)(void *context, const struct skep__peer *peer, const char *why);
    void (*starved)(void *context);
};

/* Binds as skep__port_listen does, with its errors. */
SKEP_MUST_USE int skep__server_new(struct skep__server **server, struct skep__hub *hub, const char *url,
                                   const struct skep__server_events *events, void *context);

/* The process that asks, as the kernel says; 0 if unknown. Only before the call is answered. */
pid_t skep__call_pid(const struct skep__call *call);

/* The bytes are copied. If the asker has ended, they are dropped; without memory its connection ends. */
void skep__call_answer(struct skep__call *call, const void *data, size_t size_bytes);

/* Calls that have not been answered are gone with it. Sets *server to NULL. */
void skep__server_free(struct skep__server **server);

/* --- callers: ask (REQ), several questions at a time --- */

struct skep__caller;

/* Connects when the server is there, and again if it went away. Errors: as of skep__port_dial_soon. */
SKEP_MUST_USE int skep__caller_new(struct skep__caller **caller, struct skep__hub *hub, const char *url);

/* The answer, borrowed until it returns; or why there is none: SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_ENOMEM, SKEP_ESYS. */
typedef void (*skep__answer_cb)(int status, const void *data, size_t size_bytes, void *context);

/* Asks, once: a question whose answer is lost with the connection is not asked again, but answered with SKEP_ECLOSED.
 * The bytes are copied. The callback follows exactly once, never inside this call. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__caller_ask(struct skep__caller *caller, const void *data, size_t size_bytes,
                                   unsigned timeout_ms, skep__answer_cb callback, void *context);

/* Answers what is open with SKEP_ECLOSED, inside this call: who is answered so must not ask again here. Sets *caller to
 * NULL. Not from an answer's callback. */
void skep__caller_free(struct skep__caller **caller);
