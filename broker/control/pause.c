/* SPDX-License-Identifier: MIT
 * Pausing, by an operator or the primary: a listener that rests accepts nothing, a queue that is paused hands nothing
 * out, until it is resumed. What was accepted or delivered before is not affected. */
#include <stdio.h>
#include <string.h>

#include "base/why.h"
#include "connections/connections.h"
#include "group/group.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "worker/worker.h"

int skep_cluster_pause_listener(skep_cluster *cluster, const char *name, bool paused) {
    bool found = skep__listeners_set_resting(cluster, name, paused);
    for (skep_group *group = NULL; !paused && (group = skep_group_next(cluster, group)) != NULL;)
        skep__group_prune(group); /* its workers may have left meanwhile */
    return found ? SKEP_OK : skep__broker_fail(cluster, SKEP_ENOLISTENER, "%s: no listener has this name or URL", name);
}

static void emit_queue(skep_cluster *cluster, const char *name, bool paused) {
    char reason[SKEP_MAX_REASON + 1];
    skep_event event = skep__event(paused ? SKEP_EVENT_PAUSE : SKEP_EVENT_RESUME, NULL);
    snprintf(reason, sizeof reason, "queue %s hands out %s", name,
             paused ? "nothing until it is resumed" : "jobs again");
    event.queue = name;
    event.reason = reason;
    skep__emit_later(cluster, &event);
}

int skep_cluster_pause_queue(skep_cluster *cluster, const char *name, bool paused) {
    struct skep__queue *queue = skep__jobs_find_queue(cluster->jobs, name, strlen(name));
    if (queue == NULL) return skep__broker_fail(cluster, SKEP_ENOQUEUE, "%s: no such queue", name);
    if (skep__jobs_pause(cluster->jobs, queue, paused)) emit_queue(cluster, name, paused);
    return SKEP_OK;
}
