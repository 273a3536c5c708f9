/* SPDX-License-Identifier: MIT
 * NNG's sockets, for SKEP_TRANSPORT=nng: what the files named nng_... share. Nothing else may include this. Their
 * functions named on_... run on NNG's threads: they only note what happened, under the hub's mutex, and wake the loop.
 * Everything else runs on the loop's thread. */
#pragma once

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/transport/ipc/ipc.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "transport/closer.h"
#include "transport/private.h"
#include "transport/sp.h"

/* The first version whose listeners stay open when a client vanishes in its greeting (nanomsg/nng issue 1518) */
#ifndef SKEP__NNG_GOES_DEAF
#define SKEP__NNG_GOES_DEAF (NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION < 6)
#endif

/* Something with completions for the loop. Guarded by the hub's mutex. */
struct skep__source {
    TAILQ_ENTRY(skep__source) entry;
    void (*handle)(struct skep__source *source); /* on the loop */
    bool listed;
    bool forgotten;
};

struct skep__nng_hub {
    struct skep__hub common; /* first member */
    uv_async_t async;
    uv_timer_t look; /* after the guards */
    LIST_HEAD(, skep__guard) guards;
    int open_handles;
    struct skep__closers closers; /* of sockets; the hub lives as long as they do */
    pthread_mutex_t mutex;
    TAILQ_HEAD(, skep__source) ready; /* guarded */
    size_t ready_count;               /* guarded */
};

/* Makes a hub. Starts NNG's threads, with all signals blocked. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__nng_hub_make(struct skep__hub **hub, uv_loop_t *loop);

/* Lists a source for the loop's next turn. Under the mutex; on any thread. */
void skep__hub_wake(struct skep__nng_hub *hub, struct skep__source *source);

/* Unlists a source for good: its socket is about to be closed. */
void skep__hub_forget(struct skep__nng_hub *hub, struct skep__source *source);

/* The status for an NNG error. */
int skep__status_of_nng(int error);

/* Dials an ipc URL; reconnects within 10 ms to 1 s later on. flags are 0, to wait for the connection, or
 * NNG_FLAG_NONBLOCK. */
SKEP_MUST_USE int skep__nng_dial(nng_socket socket, const char *url, int flags);

/* Who is at the other end, as the kernel says. */
struct skep__peer skep__nng_peer(nng_pipe pipe);

/* --- nng_guard.c: listening NNG sockets that stay open. NNG 1.5.2 takes no connection for good once a client has gone
 * away while it was being greeted (nanomsg/nng issue 1518). So the hub connects to its own listeners every two seconds;
 * one that has not shown a new pipe by the next time is opened again. From NNG 1.6 on there is nothing to guard
 * against. --- */

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

/* What the transport does */
#define OPERATION(result, name, parameters) result skep__nng_##name parameters;
#include "transport/operations.def"
