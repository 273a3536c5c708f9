/* SPDX-License-Identifier: MIT
 * What the files that know NNG share: hub.c, ear.c, port.c, server.c, caller.c, blocking.c. Nothing else may include
 * this. Their functions named on_... run on NNG's threads: they only note what happened, under the hub's mutex, and
 * wake the loop. Everything else runs on the loop's thread. */
#ifndef SKEP_NNG_H
#define SKEP_NNG_H

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/transport/ipc/ipc.h>
#include <pthread.h>
#include <skep/status.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

#include "closer.h"

/* Something with completions for the loop. Guarded by the hub's mutex. */
struct skep__source {
    TAILQ_ENTRY(skep__source) entry;
    void (*handle)(struct skep__source *source); /* on the loop */
    bool listed;
    bool forgotten;
};

struct skep__hub {
    uv_async_t async;
    uv_timer_t look; /* after the ears, see ear.h */
    LIST_HEAD(, skep__ear) ears;
    int open_handles;
    struct skep__closers closers; /* of sockets; the hub lives as long as they do */
    pthread_mutex_t mutex;
    TAILQ_HEAD(, skep__source) ready; /* guarded */
    size_t ready_count;               /* guarded */
    uid_t trusted;                    /* guarded; besides this process's user and root */
};

/* Lists a source for the loop's next turn. Under the mutex; on any thread. */
void skep__hub_wake(struct skep__hub *hub, struct skep__source *source);

/* Unlists a source for good: its socket is about to be closed. */
void skep__hub_forget(struct skep__hub *hub, struct skep__source *source);

/* The status for an NNG error. */
int skep__status_of_nng(int error);

/* Starts NNG's threads with all signals blocked. Safe to call again. */
SKEP_MUST_USE int skep__nng_start(void);

/* Dials an ipc URL; reconnects within 10 ms to 1 s later on. flags are 0, to wait for the connection, or
 * NNG_FLAG_NONBLOCK. */
SKEP_MUST_USE int skep__nng_dial(nng_socket socket, const char *url, int flags);

/* Who is at the other end, as the kernel says. */
void skep__nng_peer(nng_pipe pipe, pid_t *pid, uid_t *uid);

/* True if the user may connect: this process's, root, or the trusted one. */
bool skep__hub_trusts(struct skep__hub *hub, uid_t uid);

#endif
