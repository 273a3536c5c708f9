/* SPDX-License-Identifier: MIT
 * Jobs are sent: that, and their ends, is what gives memory back. */
#include "clients/clients.h"
#include "hive/private.h"
#include "jobs/ledger.h"
#include "journal/journal.h"

/* What a worker may have depends on the reserve. */
void skep__shortage_retry(skep_cluster *cluster) {
    skep_child *child;
    if (!cluster->started) return;
    TAILQ_FOREACH(child, &cluster->children, entry) skep__consumers_update(child);
    skep__ledger_dispatch(cluster);
    skep__sessions_flush(cluster);
}

bool skep__shortage_lacks(void *context) {
    return skep__memory_lacks(context);
}
