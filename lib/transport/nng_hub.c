/* SPDX-License-Identifier: MIT
 * What every NNG socket of ours stands on: the way from NNG's threads to the loop, NNG's errors, peers. */
#include <signal.h>

#include "transport/nng.h"

enum { CLOSING_MS = 1000 /* how long the end of the hub waits for sockets to be closed */ };

int skep__status_of_nng(int error) {
    if ((error & NNG_ESYSERR) != 0) return skep_status_of_errno(error & ~NNG_ESYSERR);
    switch (error) {
    case 0: return SKEP_OK;
    case NNG_ENOMEM: return SKEP_ENOMEM;
    case NNG_ETIMEDOUT: return SKEP_ETIMEDOUT;
    case NNG_EADDRINUSE: return SKEP_EADDRINUSE;
    case NNG_EPERM: return SKEP_EACCES;
    case NNG_ENOFILES: return SKEP_EMFILE;
    case NNG_ENOSPC: return SKEP_ENOSPC;
    case NNG_EMSGSIZE: return SKEP_ETOOBIG;
    case NNG_ECLOSED:
    case NNG_ECANCELED:
    case NNG_ECONNREFUSED:
    case NNG_ECONNRESET:
    case NNG_ECONNSHUT:
    case NNG_ENOENT: return SKEP_ECLOSED;
    default: return SKEP_ESYS;
    }
}

/* With all signals blocked. Safe to call again. */
static int start_threads(void) {
    sigset_t all, before;
    nng_aio *aio;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = nng_aio_alloc(&aio, NULL, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) return skep__status_of_nng(error);
    nng_aio_free(aio);
    return SKEP_OK;
}

int skep__nng_dial(nng_socket socket, const char *url, int flags) {
    nng_dialer dialer;
    int error = nng_dialer_create(&dialer, socket, url);
    if (error == 0) error = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, 10);
    if (error == 0) error = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, 1000);
    if (error == 0) error = nng_dialer_start(dialer, flags);
    return skep__status_of_nng(error);
}

struct skep__peer skep__nng_peer(nng_pipe pipe) {
    uint64_t pid = 0, uid = UINT64_MAX;
    if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) != 0) pid = 0;
    if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) != 0) uid = UINT64_MAX;
    return (struct skep__peer){.pipe = (uint32_t)nng_pipe_id(pipe), .pid = (pid_t)pid, .uid = (uid_t)uid};
}

void skep__hub_wake(struct skep__nng_hub *hub, struct skep__source *source) {
    if (source->listed || source->forgotten) return;
    source->listed = true;
    TAILQ_INSERT_TAIL(&hub->ready, source, entry);
    if (hub->ready_count++ == 0) uv_async_send(&hub->async);
}

static void unlist(struct skep__nng_hub *hub, struct skep__source *source) {
    TAILQ_REMOVE(&hub->ready, source, entry);
    hub->ready_count--;
    source->listed = false;
}

void skep__hub_forget(struct skep__nng_hub *hub, struct skep__source *source) {
    pthread_mutex_lock(&hub->mutex);
    if (source->listed) unlist(hub, source);
    source->forgotten = true;
    pthread_mutex_unlock(&hub->mutex);
}

/* Sources are taken one at a time, since handling one may free another. One that is listed again meanwhile waits for
 * the next turn, so that a busy one does not starve the loop. */
static void hub_turn(uv_async_t *async) {
    struct skep__nng_hub *hub = async->data;
    pthread_mutex_lock(&hub->mutex);
    for (size_t n = hub->ready_count; n > 0 && hub->ready_count > 0; n--) {
        struct skep__source *source = TAILQ_FIRST(&hub->ready);
        unlist(hub, source);
        pthread_mutex_unlock(&hub->mutex);
        source->handle(source);
        pthread_mutex_lock(&hub->mutex);
    }
    if (hub->ready_count > 0) uv_async_send(&hub->async);
    pthread_mutex_unlock(&hub->mutex);
}

static void free_hub(struct skep__closers *closers) {
    struct skep__nng_hub *hub = SKEP_CONTAINER(closers, struct skep__nng_hub, closers);
    pthread_mutex_destroy(&hub->mutex);
    free(hub);
}

int skep__nng_hub_make(struct skep__hub **out, uv_loop_t *loop) {
    int status = start_threads();
    if (status != SKEP_OK) return status;
    struct skep__nng_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) return SKEP_ENOMEM;
    int error = uv_async_init(loop, &hub->async, hub_turn);
    if (error != 0) {
        free(hub);
        return skep_status_of_errno(-error);
    }
    hub->async.data = hub->look.data = hub;
    hub->open_handles = 2;
    uv_timer_init(loop, &hub->look);
    uv_unref((uv_handle_t *)&hub->look);
    LIST_INIT(&hub->guards);
    uv_unref((uv_handle_t *)&hub->async);
    pthread_mutex_init(&hub->mutex, NULL);
    skep__closers_init(&hub->closers, free_hub);
    TAILQ_INIT(&hub->ready);
    *out = &hub->common;
    return SKEP_OK;
}

static void hub_closed(uv_handle_t *handle) {
    struct skep__nng_hub *hub = handle->data;
    if (--hub->open_handles == 0) skep__closers_release(&hub->closers);
}

void skep__nng_hub_free(struct skep__hub *common) {
    struct skep__nng_hub *hub = (struct skep__nng_hub *)common;
    skep__closers_wait(&hub->closers, CLOSING_MS);
    uv_close((uv_handle_t *)&hub->async, hub_closed);
    uv_close((uv_handle_t *)&hub->look, hub_closed);
}
