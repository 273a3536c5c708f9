/* SPDX-License-Identifier: MIT
 * Jobs are sent: that, and their ends, is what gives memory back. */
#include "clients/clients.h"
#include "hive/private.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "worker/worker.h"

void skep__shortage_retry(skep_cluster *cluster) {
    if (!cluster->started) return;
    skep__jobs_memory_back(cluster->jobs);
    skep__sessions_flush(cluster);
}

bool skep__shortage_lacks(void *context) {
    return skep__memory_lacks(context);
}
