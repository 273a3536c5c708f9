/* SPDX-License-Identifier: MIT
 * A worker that keeps each connection until its client closes it, and tells the primary how many it has. */
#ifndef SKEP_TESTS_HOLD_H
#define SKEP_TESTS_HOLD_H

#include "serve.h"

#include <fcntl.h>

struct hold {
    skep_worker *worker;
    uv_poll_t poll;
    int fd;
};

static inline void hold_forget(uv_handle_t *handle) {
    struct hold *hold = handle->data;
    close(hold->fd);
    skep_connection_finished(hold->worker, hold->fd);
    free(hold);
}

static inline void hold_client_closed(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    uv_close((uv_handle_t *)poll, hold_forget);
}

/* Keeps a connection until the client closes it. */
static inline void hold_connection(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    struct hold *hold = malloc(sizeof *hold);
    bool as_promised = (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
    (void)listener;
    (void)context;
    *hold = (struct hold){.worker = worker, .fd = fd};
    uv_poll_init(skep_worker_loop(worker), &hold->poll, fd);
    hold->poll.data = hold;
    uv_poll_start(&hold->poll, UV_READABLE, hold_client_closed);
    role_tell_number(worker, as_promised ? "live" : "bad descriptor", skep_worker_connections(worker));
}

static inline void hold_begin(skep_worker *worker) {
    role_need(skep_listen(worker, serve_url(), hold_connection, NULL, NULL), "listen");
}

#endif
