/* SPDX-License-Identifier: MIT
 * The end of a worker: of its link, and of what the broker holds of it. */
#include "common/container.h"
#include "connections/connections.h"
#include "group/group.h"
#include "hive/private.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "messages/messages.h"
#include "worker/worker.h"

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
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) skep_child_disconnect(child);
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

void skep__hive_end(skep_cluster *cluster) {
    if (cluster->hive == NULL) return;
    cluster->hive->disconnecting = false;
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        skep__child_kill(child, "killed");
    for (skep_child *child; (child = skep__child_next(cluster, NULL)) != NULL;) {
        if (!child->exited) skep__child_reap(child);
        skep__child_close_link(child);
        skep__child_unlist(child);
        skep__child_release(child);
    }
}
