/* SPDX-License-Identifier: MIT
 * The end of a worker: of its link, of its process, and of what the broker holds of it. */
#include "base/why.h"
#include "common/container.h"
#include "connections/dispatch.h"
#include "connections/handoff.h"
#include "connections/listener.h"
#include "group/group.h"
#include "hive/hive.h"
#include "jobs/ledger.h"
#include "journal/journal.h"
#include "messages/messages.h"
#include "worker/life.h"
#include "worker/output.h"

enum { LAST_WORDS = 1024 /* messages read after the end; a child of the worker's may go on writing */ };

/* --- skep_cluster_disconnect --- */

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

/* --- the link --- */

void skep__child_close_link(skep_child *child) {
    if (child->link < 0) return;
    skep__child_drop_link(child);
    skep__dispatch_update(child);
    skep__give_back(child);
    skep__listener_adopt(child);
    for (struct skep__seat *seat; (seat = LIST_FIRST(&child->seats)) != NULL;) skep__seat_free(seat);
    if (child->voluntary) skep__group_prune(skep__group_of(child));
    skep__messages_link_closed(child);
    skep__ledger_link_ended(child);
    skep__check_disconnected(child->cluster);
}

/* --- the process --- */

/* Its last messages are read: those on the link here, those on its outbox next. The link's end closes it. */
static void read_last_words(skep_child *child) {
    for (unsigned i = 0; i < LAST_WORDS && child->link >= 0; i++)
        if (skep__read_link(child) != SKEP_OK) return;
}

static void worker_ended(skep_child *child) {
    read_last_words(child);
    skep__port_read(child->cluster->outbox, child->pid);
    skep__output_finish(child);
    skep__life(child, SKEP__SIGNAL_EXIT);
}

/* --- what the rooms have of it --- */

static void worker_unmade(skep_child *child) {
    skep__outlet_free(&child->inbox);
    skep__messages_worker_freed(child);
}

static int worker_made(skep_child *child, const struct skep__program *program) {
    int status = skep__messages_worker_made(child);
    if (status != SKEP_OK)
        return skep__broker_fail(child->cluster, status, "fork: %s", skep_strerror(status));
    return skep__inbox_open(child, program);
}

void skep__child_release(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    skep__ledger_child_ended(child);
    worker_unmade(child);
    skep__child_drop_process(child);
    skep__check_disconnected(cluster);
}

void skep__children_end(skep_cluster *cluster) {
    skep_child *child;
    TAILQ_FOREACH(child, &cluster->children, entry) skep__child_kill(child, "killed");
    while ((child = TAILQ_FIRST(&cluster->children)) != NULL) {
        if (!child->exited) skep__child_reap(child);
        skep__child_close_link(child);
        skep__child_unlist(child);
        skep__child_release(child);
    }
}

/* --- what happens to a worker --- */

static void worker_watched(skep_child *child) {
    skep__link_open(child);
    skep__watch_ready(child);
}

const struct skep__worker_events skep__hive_events = {.made = worker_made,
                                                      .unmade = worker_unmade,
                                                      .watched = worker_watched,
                                                      .readable = skep__read_link,
                                                      .dismissed = skep__child_leave,
                                                      .ended = worker_ended};
