/* SPDX-License-Identifier: MIT
 * The rest of skep/cluster.h: looking workers up, asking them to leave. */
#include <contract.h>
#include <errno.h>
#include <signal.h>

#include "common/container.h"
#include "group/reload.h"
#include "messages/router.h"
#include "worker/life.h"

uv_loop_t *skep_cluster_loop(skep_cluster *cluster) {
    return cluster->loop;
}

const char *skep_cluster_why(const skep_cluster *cluster) {
    return cluster->why;
}

const skep_settings *skep_cluster_settings(const skep_cluster *cluster) {
    return &cluster->settings;
}

const char *skep_cluster_dir(const skep_cluster *cluster) {
    return cluster->started ? cluster->instance.dir : "";
}

const char *skep_cluster_name(const skep_cluster *cluster) {
    return cluster->started ? cluster->instance.name : "";
}

skep_child *skep_child_by_id(skep_cluster *cluster, uint32_t id) {
    skep_child *child;
    HASH_FIND(by_id, cluster->by_id, &id, sizeof id, child);
    return child;
}

/* One that has exited is no longer in the list: what follows is found by its id. */
skep_child *skep_child_next(skep_cluster *cluster, const skep_child *child) {
    if (child != NULL && child->state != SKEP__CHILD_GONE) return TAILQ_NEXT(child, entry);
    skep_child *next = TAILQ_FIRST(&cluster->children);
    while (child != NULL && next != NULL && next->id < child->id) next = TAILQ_NEXT(next, entry);
    return next;
}

size_t skep_child_count(const skep_cluster *cluster) {
    return cluster->child_count;
}

uint32_t skep_child_id(const skep_child *child) {
    return child->id;
}

pid_t skep_child_pid(const skep_child *child) {
    return child->pid;
}

uint32_t skep_child_slot(const skep_child *child) {
    return child->slot->index;
}

uint64_t skep_child_requests(const skep_child *child) {
    return child->requests;
}

uint64_t skep_child_accepted(const skep_child *child) {
    return child->accepted;
}

skep_cluster *skep_child_cluster(const skep_child *child) {
    return child->cluster;
}

const char *skep_child_state(const skep_child *child) {
    return skep__state_name(child->state);
}

bool skep_child_is_connected(const skep_child *child) {
    return child->link >= 0;
}

bool skep_child_is_dead(const skep_child *child) {
    return child->exited;
}

int skep_child_exited_after_disconnect(const skep_child *child) {
    return child->exited || child->link < 0 ? child->voluntary && !child->stood_down : -1;
}

void skep_child_set_data(skep_child *child, void *data) {
    child->data = data;
}

void *skep_child_data(const skep_child *child) {
    return child->data;
}

void skep__child_leave(skep_child *child) {
    child->voluntary = true;
    if (child->slot->child == child) {
        skep__slot_give_up(child->slot);
        skep__reload_place_given_up(child->slot);
    }
    skep__life(child, SKEP__SIGNAL_LEAVE);
}

/* One that was never ready is replaced after its end, as any that fails to start. */
void skep__child_stand_down(skep_child *child) {
    struct skep__slot *slot = child->slot;
    bool replace = slot->child == child && child->cluster->settings.respawn && !child->cluster->stopping;
    if (child->ready_ms == 0) {
        skep__life(child, SKEP__SIGNAL_LEAVE);
        return;
    }
    child->stood_down = !child->voluntary;
    if (!replace) {
        skep__child_leave(child);
        return;
    }
    child->voluntary = true;
    slot->child = NULL;
    skep__life(child, SKEP__SIGNAL_LEAVE);
    skep__slot_refill(slot, 0);
}

void skep_child_disconnect(skep_child *child) {
    if (!child->exited) skep__child_leave(child);
}

int skep__child_signal(skep_child *child, int signal, int value) {
    if (child->exited) return SKEP_ESTATE;
    int failed =
        value != 0 ? sigqueue(child->pid, signal, (union sigval){.sival_int = value}) : kill(child->pid, signal);
    if (failed == 0) return SKEP_OK;
    return errno == EINVAL ? SKEP_EINVAL : SKEP_ESTATE;
}

int skep_child_kill(skep_child *child, int signal) {
    return skep__child_signal(child, signal, signal == SIGTERM ? SKEP_TERM_NOW : 0);
}

static bool any_connected(const skep_cluster *cluster) {
    const skep_child *child;
    TAILQ_FOREACH(child, &cluster->children, entry) if (child->link >= 0) return true;
    return false;
}

static void tell_disconnected(struct skep__flush *flush) {
    skep_cluster *cluster = SKEP_CONTAINER(flush, skep_cluster, disconnected_flush);
    skep_disconnected_cb callback = cluster->disconnected;
    cluster->disconnected = NULL;
    if (callback != NULL) callback(cluster, cluster->disconnected_context);
}

void skep__check_disconnected(skep_cluster *cluster) {
    if (!cluster->disconnecting || any_connected(cluster)) return;
    cluster->disconnecting = false;
    cluster->disconnected_flush.flush = tell_disconnected;
    skep__flusher_mark(cluster->flusher, &cluster->disconnected_flush);
}

void skep_cluster_disconnect(skep_cluster *cluster, skep_disconnected_cb callback, void *context) {
    skep_child *child;
    cluster->disconnected = callback;
    cluster->disconnected_context = context;
    cluster->disconnecting = true;
    TAILQ_FOREACH(child, &cluster->children, entry) skep_child_disconnect(child);
    skep__check_disconnected(cluster);
}
