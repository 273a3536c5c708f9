/* SPDX-License-Identifier: MIT
 * The end of a worker: of its link, and of what the broker holds of it. The stop of a cluster: its workers drain, or
 * are killed. */
#include "hive/private.h"

/* --- all of them --- */

static void dismiss_all(skep_cluster *cluster) {
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) skep_child_disconnect(child);
}

static void kill_all(skep_cluster *cluster) {
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        skep__child_kill(child, "killed");
}

/* --- skep_cluster_disconnect --- */

static bool any_connected(const skep_cluster *cluster) {
    for (const skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        if (child->link >= 0) return true;
    return false;
}

static void tell_disconnected(struct skep__flush *flush) {
    struct skep__hive *hive = SKEP_CONTAINER(flush, struct skep__hive, disconnected_flush);
    skep_disconnected_cb callback = hive->disconnected;
    hive->disconnected = NULL;
    if (callback != NULL) callback(hive->cluster, hive->disconnected_context);
}

static void check_disconnected(skep_cluster *cluster) {
    struct skep__hive *hive = cluster->hive;
    if (!hive->disconnecting || any_connected(cluster)) return;
    hive->disconnecting = false;
    hive->disconnected_flush.flush = tell_disconnected;
    skep__flusher_mark(cluster->flusher, &hive->disconnected_flush);
}

void skep_cluster_disconnect(skep_cluster *cluster, skep_disconnected_cb callback, void *context) {
    struct skep__hive *hive = cluster->hive;
    hive->disconnected = callback;
    hive->disconnected_context = context;
    hive->disconnecting = true;
    dismiss_all(cluster);
    check_disconnected(cluster);
}

/* --- the link --- */

void skep__child_close_link(skep_child *child) {
    if (child->link < 0) return;
    skep__child_drop_link(child);
    skep__connections_link_closed(child);
    if (child->voluntary) skep__group_prune(skep_child_group(child));
    skep__messages_link_closed(child);
    skep__jobs_link_closed(child->holder);
    check_disconnected(child->cluster);
}

/* --- the rest --- */

void skep__child_release(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    skep__jobs_worker_ended(child->holder);
    skep__worker_unmade(child);
    skep__child_drop_process(child);
    check_disconnected(cluster);
}

/* --- the stop --- */

static void begin_stop(skep_cluster *cluster) {
    cluster->stopping = true;
    skep__jobs_stop(cluster->jobs);
    skep__groups_stop(cluster);
    skep__listeners_finish(cluster);
    skep_event event = skep__event(SKEP_EVENT_STOP, NULL);
    skep__emit_later(cluster, &event);
    skep__jobs_check_lost(cluster->jobs);
}

void skep_cluster_stop(skep_cluster *cluster, bool now) {
    bool first = !cluster->stopping;
    if (first) begin_stop(cluster);
    if (now) kill_all(cluster);
    else if (first) dismiss_all(cluster);
}

void skep__hive_end(skep_cluster *cluster) {
    if (cluster->hive == NULL) return;
    cluster->hive->disconnecting = false;
    kill_all(cluster);
    for (skep_child *child; (child = skep__child_next(cluster, NULL)) != NULL;) {
        if (!child->exited) skep__child_reap(child);
        skep__child_close_link(child);
        skep__child_unlist(child);
        skep__child_release(child);
    }
}
