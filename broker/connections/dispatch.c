/* SPDX-License-Identifier: MIT
 * From a listener's sockets to its workers. The broker accepts while workers have room, and pauses while none has; what
 * has come back from a worker goes before what is new. */
#include <errno.h>
#include <sys/socket.h>

#include "connections/private.h"

/* --- polling --- */

static void accept_ready(uv_poll_t *poll, int status, int events);

bool skep__listener_workers_accept(const struct skep__listener *listener) {
    enum skep_policy policy = listener->terms->settings->policy;
    bool one_socket = listener->address.given || listener->address.address.ss_family == AF_UNIX;
    return skep__listener_is_shared(listener) || (policy == SKEP_POLICY_REUSEPORT && !one_socket);
}

void skep__listener_update(struct skep__listener *listener) {
    struct skep__member *member;
    bool can = !listener->paused && !listener->starved && !listener->resting;
    bool accepts = can && !skep__listener_is_shared(listener);
    LIST_FOREACH(member, &listener->members, entry) {
        bool polls = accepts && member->owner == NULL;
        if (member->polling == polls) continue;
        member->polling = polls;
        if (polls) uv_poll_start(&member->poll, UV_READABLE, accept_ready);
        else uv_poll_stop(&member->poll);
    }
}

static void pause_accepting(struct skep__listener *listener) {
    listener->paused = true;
    skep__listener_update(listener);
}

/* --- dropping --- */

void skep__listener_check_free(struct skep__listener *listener) {
    if (!listener->closed || listener->open_polls > 0 || listener->queued > 0) return;
    skep__heap_free(&listener->heap);
    free(listener);
}

void skep__connection_drop(struct skep__connection *connection) {
    struct skep__listener *listener = connection->listener;
    close(connection->fd);
    free(connection);
    listener->queued--;
    skep__listener_check_free(listener);
}

/* --- dispatching --- */

bool skep__dispatch(struct skep__connection *connection) {
    const struct skep__seat *seat = skep__choose(connection->listener, connection->fd);
    if (seat == NULL) return false;
    skep_child *child = seat->child;
    skep__hand(child, connection);
    skep__dispatch_update(child);
    return true;
}

/* True if nothing that was given back waits any more. */
static bool dispatch_waiting(struct skep__listener *listener) {
    struct skep__connection *c;
    while ((c = STAILQ_FIRST(&listener->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&listener->waiting, entry);
        if (skep__dispatch(c)) continue;
        STAILQ_INSERT_HEAD(&listener->waiting, c, entry);
        return false;
    }
    return true;
}

void skep__listener_resume(struct skep__listener *listener) {
    if (!listener->paused || listener->closed) return;
    listener->paused = false; /* before dispatching, which may come back here */
    listener->paused = !dispatch_waiting(listener);
    skep__listener_update(listener);
}

void skep__dispatch_update(skep_child *child) {
    struct skep__seat *seat;
    LIST_FOREACH(seat, &child->taker->seats, of_taker) {
        bool entered = skep__seat_update(seat);
        if (entered || skep__may_take(child)) skep__listener_resume(seat->listener);
    }
}

void skep__listener_give_back(struct skep__listener *listener, struct skep__connection *connection) {
    if (listener->closed) {
        skep__connection_drop(connection);
        return;
    }
    if (skep__dispatch(connection)) return;
    STAILQ_INSERT_TAIL(&listener->waiting, connection, entry);
    pause_accepting(listener);
}

/* --- accepting --- */

/* It accepts no more until it is tried again, but for the one that the reserve may be worth. */
static int starve(struct skep__member *member, int error) {
    int fd = skep__lack_accept(member, error);
    member->listener->starved = true;
    skep__listener_update(member->listener);
    return fd;
}

static int accept_one(struct skep__member *member) {
    for (;;) {
        int fd = accept4(member->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 || errno == EAGAIN) return fd;
        if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) return starve(member, errno);
    }
}

static bool give(struct skep__listener *listener, int fd) {
    struct skep__connection *c = malloc(sizeof *c);
    if (c == NULL) {
        close(fd);
        return false;
    }
    *c = (struct skep__connection){.listener = listener, .fd = fd};
    listener->accepted++;
    listener->queued++;
    skep__trace(listener->cluster->trace, SKEP__TRACE_LEDGER, "connection fd %d: accepted on %s", fd, listener->url);
    skep__listener_give_back(listener, c);
    return true;
}

void skep__member_accept(struct skep__member *member, unsigned limit) {
    struct skep__listener *listener = member->listener;
    bool paused = listener->paused; /* at a stop: what workers have room for is accepted */
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that the member's handle keeps the listener
    for (unsigned i = 0; i < limit && !listener->starved && !listener->resting && listener->paused == paused; i++) {
        if (!skep__can_dispatch(listener)) {
            pause_accepting(listener);
            return;
        }
        int fd = accept_one(member);
        if (fd < 0 || !give(listener, fd)) return;
    }
}

static void accept_ready(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    skep__member_accept(poll->data, SKEP__ACCEPT_BURST);
}
