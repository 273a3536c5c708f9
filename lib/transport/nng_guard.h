/* SPDX-License-Identifier: MIT
 * Listening NNG sockets that stay open. NNG 1.5.2 takes no connection for good once a client has gone away while it was
 * being greeted (nanomsg/nng issue 1518). So the hub connects to its own listeners every two seconds; one that has not
 * shown a new pipe by the next time is opened again. From NNG 1.6 on there is nothing to guard against. */
#pragma once

#include <stdatomic.h>

#include "transport/nng.h"
#include "transport/sp.h"

struct skep__guard {
    LIST_ENTRY(skep__guard) entry;
    nng_socket socket;
    nng_listener listener;
    char url[SKEP_MAX_URL + 1];
    unsigned char peer; /* protocol of its peers; 0: it is not watched */
    atomic_uint seen;   /* pipes so far; counted by the socket's owner, on NNG's threads */
    unsigned seen_before;
    int probe; /* our own connection, of the look before; -1: none */
};

/* Binds an ipc URL with mode 0600 and watches it. The guard is the caller's memory, zero-initialised. */
SKEP_MUST_USE int skep__guard_open(struct skep__nng_hub *hub, struct skep__guard *guard, nng_socket socket,
                                   const char *url, unsigned char peer);

/* Stops watching and closes the listener, whose path is free then. Does nothing for a guard that was never opened. */
void skep__guard_close(struct skep__guard *guard);

/* Looks after the hub's listeners from now on. */
void skep__guards_watch(struct skep__nng_hub *hub);
