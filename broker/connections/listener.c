/* SPDX-License-Identifier: MIT
 * Listeners: opened, joined by workers, left, closed. socket.c binds their sockets. */
#include <time.h>

#include "connections/private.h"
#include "connections/socket.h"

enum {
    DEFAULT_BACKLOG = 511,
    HANDSHAKES_MS = 5 /* for those under way when the broker stops to end up in the kernel's queue */
};

/* --- members --- */

/* The descriptor is the member's, and closed if this fails. */
static int add_member(struct skep__listener *listener, int fd, struct skep__member **out) {
    struct skep__member *member = calloc(1, sizeof *member);
    int error = member != NULL ? uv_poll_init(listener->cluster->loop, &member->poll, fd) : UV_ENOMEM;
    if (error != 0) {
        close(fd);
        free(member);
        return skep_status_of_errno(-error);
    }
    member->listener = listener;
    member->fd = fd;
    member->poll.data = member;
    uv_unref((uv_handle_t *)&member->poll);
    listener->open_polls++;
    LIST_INSERT_HEAD(&listener->members, member, entry);
    *out = member;
    return SKEP_OK;
}

/* What listens has half of the descriptors at most; connections in flight have a quarter. */
static bool may_open(const skep_cluster *cluster) {
    const struct skep__listener *listener;
    const struct skep__member *member;
    unsigned count = 0;
    LIST_FOREACH(listener, &cluster->connections->listeners, entry)
    LIST_FOREACH(member, &listener->members, entry) count++;
    return count / 2 < cluster->connections->max_in_flight;
}

/* With policy reuseport: what the worker has, if it asks again, a socket that no worker accepts from, or one more. */
static int own_member(struct skep__listener *listener, skep_child *child, int *fd) {
    struct skep__member *member, *free_one = NULL;
    LIST_FOREACH(member, &listener->members, entry) {
        if (member->owner == child) break;
        if (member->owner == NULL) free_one = member;
    }
    if (member == NULL) member = free_one;
    if (member == NULL) {
        int new_fd, status;
        if (!may_open(listener->cluster)) return SKEP_EMFILE;
        status = skep__socket_again(&listener->address, listener->backlog, &new_fd);
        if (status == SKEP_OK) status = add_member(listener, new_fd, &member);
        if (member == NULL) return status;
    }
    member->owner = child;
    member->waits = false;
    skep__listener_update(listener);
    skep__overdue_watch(listener->cluster);
    *fd = member->fd;
    return SKEP_OK;
}

static void disown(struct skep__listener *listener, const skep_child *child) {
    struct skep__member *member;
    LIST_FOREACH(member, &listener->members, entry) if (member->owner == child) member->owner = NULL;
    skep__listener_update(listener);
}

int skep__listener_join(struct skep__listener *listener, skep_child *child, int *fd) {
    struct skep__seat *seat = skep__seat_find(listener, child);
    int status = seat == NULL ? skep__seat_add(listener, child, &seat) : SKEP_OK;
    *fd = -1;
    if (status == SKEP_OK) skep__dispatch_update(child);
    if (status == SKEP_OK && skep__listener_is_shared(listener)) *fd = LIST_FIRST(&listener->members)->fd;
    else if (status == SKEP_OK && skep__listener_workers_accept(listener)) status = own_member(listener, child, fd);
    if (status != SKEP_OK && seat != NULL) skep__listener_part(seat);
    return status;
}

static bool is_unwanted(const struct skep__listener *listener) {
    return LIST_EMPTY(&listener->seats) && !listener->kept && !listener->resting;
}

void skep__listener_part(struct skep__seat *seat) {
    struct skep__listener *listener = seat->listener;
    disown(listener, seat->child);
    skep__seat_free(seat);
    if (is_unwanted(listener)) skep__listener_close(listener);
}

void skep__listeners_prune(skep_cluster *cluster, const struct skep__terms *terms, bool workers_are_coming) {
    struct skep__listener *next;
    if (workers_are_coming) return;
    for (struct skep__listener *l = LIST_FIRST(&cluster->connections->listeners); l != NULL; l = next) {
        next = LIST_NEXT(l, entry);
        if (l->terms == terms && is_unwanted(l)) skep__listener_close(l);
    }
}

void skep__listener_adopt(skep_child *child) {
    struct skep__seat *seat;
    LIST_FOREACH(seat, &child->taker->seats, of_taker) disown(seat->listener, child);
}

/* --- listeners --- */

struct skep__listener *skep__listener_by_number(skep_cluster *cluster, uint64_t number) {
    struct skep__listener *l;
    LIST_FOREACH(l, &cluster->connections->listeners, entry) if (l->number == number) return l;
    return NULL;
}

int skep__listener_open(skep_cluster *cluster, const struct skep__terms *terms, const char *key,
                        const struct skep_url *address, int backlog, struct skep__listener **out) {
    if (!may_open(cluster)) return SKEP_EMFILE;
    struct skep__listener *listener = calloc(1, sizeof *listener);
    struct skep__member *member;
    int fd;
    if (listener == NULL) return SKEP_ENOMEM;
    *listener = (struct skep__listener){
        .cluster = cluster, .terms = terms, .number = cluster->connections->next_listener + 1, .address = *address};
    listener->paused = true; /* until a worker has room for a connection */
    listener->heap.before = skep__seat_is_before;
    listener->backlog = backlog > 0 ? backlog : DEFAULT_BACKLOG;
    STAILQ_INIT(&listener->waiting);
    snprintf(listener->key, sizeof listener->key, "%s", key);
    int status =
        skep__socket_bind(&listener->address, listener->backlog, terms->settings->policy == SKEP_POLICY_REUSEPORT, &fd);
    if (status == SKEP_OK) status = add_member(listener, fd, &member);
    if (status != SKEP_OK) {
        free(listener);
        return status;
    }
    skep__url_print(&listener->address.address, listener->address.address_size_bytes, listener->address.any,
                    listener->url, sizeof listener->url);
    cluster->connections->next_listener++;
    LIST_INSERT_HEAD(&cluster->connections->listeners, listener, entry);
    *out = listener;
    return SKEP_OK;
}

static void member_closed(uv_handle_t *handle) {
    struct skep__member *member = handle->data;
    struct skep__listener *listener = member->listener;
    free(member);
    listener->open_polls--;
    skep__listener_check_free(listener);
}

static void close_sockets(struct skep__listener *listener) {
    if (!LIST_EMPTY(&listener->members)) skep__socket_unlink(&listener->address);
    for (struct skep__member *member; (member = LIST_FIRST(&listener->members)) != NULL;) {
        LIST_REMOVE(member, entry);
        uv_poll_stop(&member->poll);
        close(member->fd);
        uv_close((uv_handle_t *)&member->poll, member_closed);
    }
}

/* The loop stands still for a moment, once in its life, rather than resetting clients that have just connected. */
void skep__listeners_finish(skep_cluster *cluster) {
    static const struct timespec handshakes = {.tv_nsec = HANDSHAKES_MS * 1000000L};
    struct skep__listener *listener;
    struct skep__member *member;
    LIST_FOREACH(listener, &cluster->connections->listeners, entry) {
        skep__listener_set_resting(listener, false); /* it would not be resumed, and clients wait in its queue */
        skep__socket_unlink(&listener->address);
        LIST_FOREACH(member, &listener->members, entry) skep__socket_turn_away(member->fd, &listener->address);
    }
    if (!LIST_EMPTY(&cluster->connections->listeners)) nanosleep(&handshakes, NULL);
    LIST_FOREACH(listener, &cluster->connections->listeners, entry) {
        if (!skep__listener_is_shared(listener))
            LIST_FOREACH(member, &listener->members, entry) skep__member_accept(member, (unsigned)listener->backlog);
        close_sockets(listener);
    }
}

void skep__listener_close(struct skep__listener *listener) {
    if (listener->closed) return;
    listener->closed = true;
    LIST_REMOVE(listener, entry);
    close_sockets(listener);
    for (struct skep__seat *seat; (seat = LIST_FIRST(&listener->seats)) != NULL;) skep__seat_free(seat);
    listener->queued++; /* so that it outlives the loop below */
    for (struct skep__connection *c; (c = STAILQ_FIRST(&listener->waiting)) != NULL;) {
        STAILQ_REMOVE_HEAD(&listener->waiting, entry);
        skep__connection_drop(c);
    }
    listener->queued--;
    skep__listener_check_free(listener);
}
