/* SPDX-License-Identifier: MIT
 * The stop of a cluster: its workers drain, or are killed. */
#include "connections/connections.h"
#include "group/group.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "worker/worker.h"

static void kill_all(skep_cluster *cluster) {
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;)
        skep__child_kill(child, "killed");
}

static void drain_all(skep_cluster *cluster) {
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) skep__child_dismiss(child);
}

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
    else if (first) drain_all(cluster);
}
