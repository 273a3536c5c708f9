/* SPDX-License-Identifier: MIT
 * The room: made, told of workers, asked, closed, freed. */
#include "connections/private.h"

/* --- the cluster --- */

static void retry(uv_timer_t *timer) {
    skep_cluster *cluster = timer->data;
    struct skep__listener *listener;
    bool has_reserve = skep__lack_keep_reserve(cluster);
    if (!has_reserve) skep__lack_retry_soon(cluster);
    LIST_FOREACH(listener, &cluster->connections->listeners, entry) {
        if (!has_reserve) break;
        listener->starved = false;
        skep__listener_update(listener);
        skep__listener_resume(listener); /* a custom policy may have returned SKEP_NOBODY */
    }
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) {
        if (child->taker->blocked) skep__link_send_waiting(child);
        if (!child->taker->refusing) continue;
        child->taker->refusing = false;
        skep__dispatch_update(child);
    }
}

int skep__connections_new(skep_cluster *cluster) {
    struct skep__connections *connections = calloc(1, sizeof *connections);
    if (connections == NULL) return SKEP_ENOMEM;
    connections->cluster = cluster;
    connections->reserve = -1;
    connections->retry = retry;
    LIST_INIT(&connections->listeners);
    uv_timer_init(cluster->loop, &connections->lack_timer);
    uv_unref((uv_handle_t *)&connections->lack_timer);
    connections->lack_timer.data = cluster;
    cluster->connections = connections;
    return SKEP_OK;
}

void skep__connections_free(skep_cluster *cluster) {
    free(cluster->connections);
    cluster->connections = NULL;
}

void skep__connections_close(skep_cluster *cluster) {
    struct skep__connections *connections = cluster->connections;
    if (connections == NULL || connections->reserve < 0) return;
    close(connections->reserve);
    connections->reserve = -1;
}

void skep__connections_end(skep_cluster *cluster) {
    struct skep__connections *connections = cluster->connections;
    if (connections == NULL) return;
    for (struct skep__listener *l; (l = LIST_FIRST(&connections->listeners)) != NULL;) skep__listener_close(l);
    skep__alarm_stop(&connections->overdue_alarm);
    skep__handle_close(&cluster->handles, (uv_handle_t *)&connections->lack_timer);
}

/* --- workers --- */

int skep__connections_worker_made(skep_child *child) {
    struct skep__taker *taker = calloc(1, sizeof *taker);
    if (taker == NULL) return SKEP_ENOMEM;
    taker->child = child;
    STAILQ_INIT(&taker->notices);
    STAILQ_INIT(&taker->untaken);
    LIST_INIT(&taker->seats);
    child->taker = taker;
    return SKEP_OK;
}

void skep__connections_worker_freed(skep_child *child) {
    free(child->taker);
    child->taker = NULL;
}

void skep__connections_worker_ready(skep_child *child) {
    skep__dispatch_update(child);
}

void skep__connections_worker_leaving(skep_child *child) {
    skep__listener_adopt(child);
    skep__dispatch_update(child);
}

void skep__connections_link_closed(skep_child *child) {
    skep__dispatch_update(child);
    skep__give_back(child);
    skep__listener_adopt(child);
    for (struct skep__seat *seat; (seat = LIST_FIRST(&child->taker->seats)) != NULL;) skep__seat_free(seat);
}

bool skep__has_listeners(const skep_child *child) {
    return !LIST_EMPTY(&child->taker->seats);
}

uint64_t skep_child_accepted(const skep_child *child) {
    return child->taker->accepted;
}

/* --- status --- */

void skep__connections_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status) {
    status->accepted += cluster->connections->accepted;
    status->redispatched += cluster->connections->redispatched;
    for (const skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        status->connections += child->taker->live;
}

void skep__connections_worker_status(const skep_child *child, struct skep_command_workerStatus *status) {
    status->connections = child->taker->live;
    status->accepted = child->taker->accepted;
    SKEP_SET(workerStatus, status, untaken, child->taker->untaken_count);
}

static int add_listener(const struct skep__listener *listener, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_listenerStatus};
    struct skep_command_listenerStatus *l = &command.listenerStatus;
    *l = (struct skep_command_listenerStatus){.url = skep__text(listener->url),
                                              .accepted = listener->accepted,
                                              .queued = listener->queued,
                                              .paused = listener->paused || listener->starved || listener->resting};
    if (listener->resting) SKEP_SET(listenerStatus, l, resting, true);
    if (listener->name[0] != '\0') SKEP_SET(listenerStatus, l, name, skep__text(listener->name));
    if (listener->cluster->group_count > 1) SKEP_SET(listenerStatus, l, group, skep__text(listener->terms->name));
    return skep__frame_add(frame, &command);
}

int skep__listeners_add(const skep_cluster *cluster, struct skep_frame *frame) {
    const struct skep__listener *listener;
    int status = SKEP_OK;
    LIST_FOREACH(listener, &cluster->connections->listeners, entry)
    if (status == SKEP_OK) status = add_listener(listener, frame);
    return status;
}
