/* SPDX-License-Identifier: MIT
 * The workers of a cluster, by number and by process. */
#include "base/why.h"
#include "journal/journal.h"
#include "worker/life.h"

int skep__child_enlist(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    HASH_ADD(by_id, cluster->by_id, id, sizeof child->id, child);
    if (SKEP_IS_ADDED(child, by_id)) HASH_ADD(by_pid, cluster->by_pid, pid, sizeof child->pid, child);
    if (!SKEP_IS_ADDED(child, by_pid)) {
        if (SKEP_IS_ADDED(child, by_id)) HASH_DELETE(by_id, cluster->by_id, child);
        return skep__broker_fail(cluster, SKEP_ENOMEM, "fork: %s", skep_strerror(SKEP_ENOMEM));
    }
    TAILQ_INSERT_TAIL(&cluster->children, child, entry);
    cluster->child_count++;
    return SKEP_OK;
}

void skep__child_unlist(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    TAILQ_REMOVE(&cluster->children, child, entry);
    HASH_DELETE(by_id, cluster->by_id, child);
    HASH_DELETE(by_pid, cluster->by_pid, child);
    cluster->child_count--;
}

skep_child *skep__child_by_pid(skep_cluster *cluster, pid_t pid) {
    skep_child *child;
    HASH_FIND(by_pid, cluster->by_pid, &pid, sizeof pid, child);
    return child;
}

const char *skep__state_name(enum skep__child_state state) {
    static const char *const names[] = {
#define STATE(id, name) name,
#include "worker/states.def"
#undef STATE
    };
    return names[state];
}

const char *skep_child_state(const skep_child *child) {
    return skep__state_name(child->state);
}

void skep__peer_misspoke(void *context, const struct skep__peer *peer, const char *why) {
    skep_cluster *cluster = context;
    skep__emit_error(cluster, skep__child_by_pid(cluster, peer->pid),
                     "process %d on a socket of the broker's: %s; its connection is closed", (int)peer->pid, why);
}

skep_child *skep_child_by_id(skep_cluster *cluster, uint32_t id) {
    skep_child *child;
    HASH_FIND(by_id, cluster->by_id, &id, sizeof id, child);
    return child;
}
