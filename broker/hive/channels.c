/* SPDX-License-Identifier: MIT
 * Connections of the broker's channels. A worker that has sent ready becomes ready when it has one of each. */
#include "hive/private.h"

/* --- of workers --- */

void skep__channels_check(skep_child *child) {
    const struct skep__progress *progress = child->progress;
    bool connected = progress->inbox_live > 0 && progress->outbox_live > 0;
    if (child->discarding || !progress->said_ready) return;
    if (child->state == SKEP__CHILD_READY) skep__watch_channels(child, connected);
    if (child->state != SKEP__CHILD_ONLINE || !connected) return;
    skep__emit_due(child->cluster);
    skep__life(child, SKEP__SIGNAL_SAYS_READY);
}

/* Connections are counted from 1; another one means that the one before has ended while both sides lived. */
static bool was_cut(skep_child *child, uint64_t *connections, const char *channel) {
    if (++*connections == 1) return false;
    child->cluster->hive->cut++;
    if (skep__may_say(child->cluster, &child->progress->cut_said_ms))
        skep__emit_error(child->cluster, child,
                         "its connection to its %s was cut and has been made again; what was on its way may be lost",
                         channel);
    return true;
}

void skep__inbox_connected(void *context, const struct skep__peer *peer) {
    skep_child *child = context;
    (void)peer;
    child->progress->inbox_live++;
    skep__channels_check(child);
    if (was_cut(child, &child->progress->inbox_connections, "inbox")) skep__jobs_inbox_cut(child->holder);
}

void skep__inbox_disconnected(void *context, const struct skep__peer *peer) {
    skep_child *child = context;
    (void)peer;
    child->progress->inbox_live--;
    skep__channels_check(child);
}

void skep__outbox_connected(void *context, const struct skep__peer *peer) {
    skep_child *child = skep__child_by_pid(context, peer->pid);
    if (child == NULL) return;
    child->progress->outbox_live++;
    was_cut(child, &child->progress->outbox_connections, "outbox");
    skep__channels_check(child);
}

void skep__outbox_disconnected(void *context, const struct skep__peer *peer) {
    skep_child *child = skep__child_by_pid(context, peer->pid);
    if (child == NULL) return;
    child->progress->outbox_live--;
    skep__channels_check(child);
}

/* --- of others --- */

void skep__inbox_refused(void *context, pid_t pid, uid_t uid) {
    const skep_child *child = context;
    skep__emit_error(child->cluster, NULL,
                     "refused process %d of user %u on the inbox of worker %u, which is process %d", (int)pid, uid,
                     child->id, (int)child->pid);
}
