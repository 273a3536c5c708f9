/* SPDX-License-Identifier: MIT
 * NNG as a libuv loop sees it. NNG's threads complete, the hub carries that to the loop with one wake-up a burst, and
 * every callback here runs on the loop's thread. Only the files behind nng.h know NNG. */
#ifndef SKEP_PORT_H
#define SKEP_PORT_H

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* Carries completions to one loop. Must outlive its ports and servers. */
struct skep__hub;

/* Blocks all signals while NNG starts its threads, which inherit the mask. Does not keep the loop alive.
 * Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__hub_new(struct skep__hub **hub, uv_loop_t *loop);

/* Frees the hub when its handle has closed, on a later turn of the loop; sets *hub to NULL. Waits for sockets that are
 * being closed, a second at most: what hangs then stays behind. */
void skep__hub_free(struct skep__hub **hub);

/* Lets processes of one more user connect: workers that run as another one than the broker. */
void skep__hub_trust(struct skep__hub *hub, uid_t uid);

enum skep__port_kind { SKEP__PORT_PUSH, SKEP__PORT_PULL, SKEP__PORT_PUB, SKEP__PORT_SUB };

/* Who sent a frame */
struct skep__peer {
    uint32_t pipe; /* NNG's number of the connection */
    pid_t pid;     /* process at its other end, 0 if unknown */
};

/* All optional */
struct skep__port_events {
    void (*received)(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);
    void (*sent)(void *context);                          /* only after skep__port_is_sending was asked to wake */
    void (*refused)(void *context, pid_t pid, uid_t uid); /* a peer of another user was turned away */
};

/* One NNG socket: at most one send under way, one receive always (PULL, SUB). */
struct skep__port;

/* events is borrowed and must outlive the port. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__port_new(struct skep__port **port, struct skep__hub *hub, enum skep__port_kind kind,
                                 const struct skep__port_events *events, void *context);

/* Binds an ipc URL with mode 0600. Peers of another user (but root) are refused. */
SKEP_MUST_USE int skep__port_listen(struct skep__port *port, const char *url);

/* Connects, and reconnects for ever. Blocks until the first connection is there. Errors: SKEP_ECLOSED, SKEP_ESYS. */
SKEP_MUST_USE int skep__port_dial(struct skep__port *port, const char *url);

/* The same without waiting: what is sent meanwhile leaves when the connection is there. Errors: SKEP_ESYS. */
SKEP_MUST_USE int skep__port_dial_soon(struct skep__port *port, const char *url);

/* Sends one message; the bytes are copied. A second one may be given while the first is under way: it leaves as soon as
 * that is gone, without a turn of the loop in between. Only if skep__port_has_room. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__port_send(struct skep__port *port, const void *data, size_t size_bytes);

/* False while a second message waits. */
bool skep__port_has_room(struct skep__port *port);

/* Whether a message is still under way. If it is and wake is true, the sent event follows when it has left, even if a
 * second one follows it: a wake-up of the loop for each message would cost as much as the message. */
bool skep__port_is_sending(struct skep__port *port, bool wake);

/* Notes that a message of this connection (skep__peer.pipe) was malformed. From the third on nothing of it is heard any
 * more; true if so. It is not closed: NNG 1.5.2 may never finish with one that is closed here while a message moves. */
bool skep__port_blame(struct skep__port *port, uint32_t pipe);

/* Closes the socket, drops what was under way, sets *port to NULL; no event comes any more, and the path is free. The
 * closing itself goes on behind the loop's back. Not from the port's own events. */
void skep__port_free(struct skep__port **port);

/* Answers requests (REP), several at a time. */
struct skep__server;
struct skep__call;

struct skep__server_events {
    /* A request. Exactly one skep__call_answer must follow, at once or later. */
    void (*called)(void *context, struct skep__call *call, const void *data, size_t size_bytes);
    void (*refused)(void *context, pid_t pid, uid_t uid);
};

SKEP_MUST_USE int skep__server_new(struct skep__server **server, struct skep__hub *hub, const char *url,
                                   const struct skep__server_events *events, void *context);

/* The process that asks, as the kernel says; 0 if unknown. Only before the call is answered. */
pid_t skep__call_pid(const struct skep__call *call);

void skep__call_answer(struct skep__call *call, const void *data, size_t size_bytes);
void skep__server_free(struct skep__server **server);

#endif
