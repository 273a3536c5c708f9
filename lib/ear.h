/* SPDX-License-Identifier: MIT
 * Listening NNG sockets that stay open. NNG 1.5.2 takes no connection for good once a client has gone away while it was
 * being greeted (nanomsg/nng issue 1518). So the hub connects to its own listeners every two seconds; one that has not
 * shown a new pipe by the next time is opened anew. */
#ifndef SKEP_EAR_H
#define SKEP_EAR_H

#include <stdatomic.h>

#include "contract.h"
#include "nng.h"

struct skep__ear {
    LIST_ENTRY(skep__ear) entry;
    nng_socket socket;
    nng_listener listener;
    char url[SKEP_MAX_URL + 1];
    unsigned char peer; /* low byte of the peer's protocol number; 0: it is not watched */
    atomic_uint heard;  /* pipes so far; counted by whoever owns the socket, on NNG's threads */
    unsigned heard_before;
    int probe; /* our own connection, of the look before; -1: none */
};

/* The low byte of SP's protocol numbers */
enum { SKEP__PEER_NONE = 0, SKEP__PEER_SUB = 0x21, SKEP__PEER_REQ = 0x30, SKEP__PEER_PUSH = 0x50 };

/* Binds an ipc URL with mode 0600 and watches it. The ear is the caller's memory, zero-initialised. */
SKEP_MUST_USE int skep__ear_open(struct skep__hub *hub, struct skep__ear *ear, nng_socket socket, const char *url,
                                 unsigned char peer);

/* Stops watching and closes the listener, whose path is free then. Does nothing for an ear that was never opened. */
void skep__ear_close(struct skep__ear *ear);

/* Looks after every ear; the hub's timer. */
void skep__ears_look(uv_timer_t *timer);

#endif
