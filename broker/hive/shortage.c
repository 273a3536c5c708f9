/* SPDX-License-Identifier: MIT
 * Jobs are sent: that, and their ends, is what gives memory back. */
#include "hive/shortage.h"

#include "clients/session.h"
#include "jobs/ledger.h"
#include "journal/memory.h"

/* What a worker may have depends on the reserve. */
void skep__shortage_retry(skep_cluster *cluster) {
    skep_child *child;
    struct skep__queue *queue = NULL;
    if (!cluster->started) return;
    TAILQ_FOREACH(child, &cluster->children, entry) skep__consumers_update(child);
    while ((queue = skep__queues_next(cluster->queues, queue)) != NULL)
        if (queue->shelf->ready_count > 0) skep__dispatch_jobs(cluster, queue);
    skep__sessions_flush(cluster);
}

bool skep__shortage_lacks(void *context) {
    return skep__memory_lacks(context);
}
