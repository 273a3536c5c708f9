/* SPDX-License-Identifier: MIT
 * NNG's sockets, for SKEP_TRANSPORT=nng: what the files named nng_... share. Nothing else may include this. Their
 * functions named on_... run on NNG's threads: they only note what happened, under the hub's mutex, and wake the loop.
 * Everything else runs on the loop's thread. */
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
#include <sys/queue.h>

#include "transport/closer.h"
#include "transport/private.h"

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
    uv_timer_t look; /* after the guards: see nng_guard.h */
    LIST_HEAD(, skep__guard) guards;
    int open_handles;
    struct skep__closers closers; /* of sockets; the hub lives as long as they do */
    pthread_mutex_t mutex;
    TAILQ_HEAD(, skep__source) ready; /* guarded */
    size_t ready_count;               /* guarded */
};

/* Starts NNG's threads, with all signals blocked. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__nng_hub_new(struct skep__hub **hub, uv_loop_t *loop);
void skep__nng_hub_free(struct skep__hub *hub);

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
void skep__nng_peer(nng_pipe pipe, pid_t *pid, uid_t *uid);

/* The objects of the transport */
int skep__nng_port_new(struct skep__port **port, const struct skep__port *common);
int skep__nng_port_listen(struct skep__port *port, const char *url);
int skep__nng_port_dial(struct skep__port *port, const char *url, bool wait);
int skep__nng_port_send(struct skep__port *port, struct skep_frame *frame);
bool skep__nng_port_has_room(struct skep__port *port);
bool skep__nng_port_is_sending(struct skep__port *port, bool wake);
bool skep__nng_port_push(struct skep__port *port);
bool skep__nng_port_finish(struct skep__port *port);
void skep__nng_port_read(struct skep__port *port, pid_t pid);
bool skep__nng_port_blame(struct skep__port *port, uint32_t pipe);
void skep__nng_port_free(struct skep__port *port);
int skep__nng_server_new(struct skep__server **server, const struct skep__server *common, const char *url);
void skep__nng_call_answer(struct skep__call *call, const void *data, size_t size_bytes);
void skep__nng_server_free(struct skep__server *server);
int skep__nng_caller_new(struct skep__caller **caller, struct skep__hub *hub, const char *url);
int skep__nng_caller_ask(struct skep__caller *caller, const void *data, size_t size_bytes, unsigned timeout_ms,
                         skep__answer_cb callback, void *context);
void skep__nng_caller_free(struct skep__caller *caller);

#endif
