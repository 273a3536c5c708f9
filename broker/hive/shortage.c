/* SPDX-License-Identifier: MIT
 * Jobs are sent: that, and their ends, is what gives memory back. */
#include "clients/clients.h"
#include "hive/private.h"
#include "jobs/ledger.h"
#include "journal/journal.h"
#include "worker/worker.h"

/* What a worker may have depends on the reserve. */
void skep__shortage_retry(skep_cluster *cluster) {
    if (!cluster->started) return;
    for (skep_child *child = NULL; (child = skep__child_next(cluster, child)) != NULL;) skep__consumers_update(child);
    skep__ledger_dispatch(cluster);
    skep__sessions_flush(cluster);
}

bool skep__shortage_lacks(void *context) {
    return skep__memory_lacks(context);
}
