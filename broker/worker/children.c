/* SPDX-License-Identifier: MIT
 * The workers of a cluster, by number and by process; and what users ask about one. */
#include "worker/private.h"

/* --- all of them --- */

int skep__child_enlist(skep_child *child) {
    struct skep__workers *workers = child->cluster->workers;
    struct skep__process *process = child->process;
    HASH_ADD_KEYPTR(by_id, workers->by_id, &child->id, sizeof child->id, process);
    if (SKEP_IS_ADDED(process, by_id))
        HASH_ADD_KEYPTR(by_pid, workers->by_pid, &child->pid, sizeof child->pid, process);
    if (!SKEP_IS_ADDED(process, by_pid)) {
        if (SKEP_IS_ADDED(process, by_id)) HASH_DELETE(by_id, workers->by_id, process);
        return skep__broker_fail(child->cluster, SKEP_ENOMEM, "fork: %s", skep_strerror(SKEP_ENOMEM));
    }
    TAILQ_INSERT_TAIL(&workers->list, process, entry);
    workers->count++;
    return SKEP_OK;
}

void skep__child_unlist(skep_child *child) {
    struct skep__workers *workers = child->cluster->workers;
    struct skep__process *process = child->process;
    TAILQ_REMOVE(&workers->list, process, entry);
    HASH_DELETE(by_id, workers->by_id, process);
    HASH_DELETE(by_pid, workers->by_pid, process);
    workers->count--;
}

skep_child *skep__child_by_pid(const skep_cluster *cluster, pid_t pid) {
    struct skep__process *process;
    HASH_FIND(by_pid, cluster->workers->by_pid, &pid, sizeof pid, process);
    return process != NULL ? process->child : NULL;
}

skep_child *skep_child_by_id(skep_cluster *cluster, uint32_t id) {
    struct skep__process *process;
    HASH_FIND(by_id, cluster->workers->by_id, &id, sizeof id, process);
    return process != NULL ? process->child : NULL;
}

/* One that has exited is no longer in the list: what follows is found by its id. */
skep_child *skep__child_next(const skep_cluster *cluster, const skep_child *child) {
    const struct skep__process *next = TAILQ_FIRST(&cluster->workers->list);
    if (child != NULL && child->state != SKEP__CHILD_GONE) next = TAILQ_NEXT(child->process, entry);
    else
        while (child != NULL && next != NULL && next->child->id <= child->id) next = TAILQ_NEXT(next, entry);
    return next != NULL ? next->child : NULL;
}

uint32_t skep__child_latest(const skep_cluster *cluster) {
    return cluster->workers->latest;
}

void skep__peer_misspoke(void *context, const struct skep__peer *peer, const char *why) {
    skep_cluster *cluster = context;
    skep__emit_error(cluster, skep__child_by_pid(cluster, peer->pid),
                     "process %d on a socket of the broker's: %s; its connection is closed", (int)peer->pid, why);
}

const char *skep__state_name(enum skep__child_state state) {
    static const char *const names[] = {
#define STATE(id, name) name,
#include "worker/states.def"
    };
    return names[state];
}

/* --- what users ask --- */

skep_child *skep_child_next(skep_cluster *cluster, const skep_child *child) {
    return skep__child_next(cluster, child);
}

size_t skep_child_count(const skep_cluster *cluster) {
    return cluster->workers->count;
}

uint32_t skep_child_id(const skep_child *child) {
    return child->id;
}

pid_t skep_child_pid(const skep_child *child) {
    return child->pid;
}

uint32_t skep_child_slot(const skep_child *child) {
    return child->place;
}

const char *skep_child_state(const skep_child *child) {
    return skep__state_name(child->state);
}

skep_cluster *skep_child_cluster(const skep_child *child) {
    return child->cluster;
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
