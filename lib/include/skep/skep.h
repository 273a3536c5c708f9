/* SPDX-License-Identifier: MIT
 * What every user of Skep shares: statuses, version, and whether this process is a worker. */
#ifndef SKEP_SKEP_H
#define SKEP_SKEP_H

#include <skep/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKEP_VERSION "0.1.0"

/* True in a process that a broker started (its environment carried SKEP_WORKER_ID when the program began). The variable
 * is removed before main(), so that this process's own children are not taken for workers (Node: cluster.isWorker). */
bool skep_is_worker(void);

/* The opposite of skep_is_worker() (Node: cluster.isPrimary). */
bool skep_is_primary(void);

/* Version of the library that is running, such as "0.1.0"; borrowed. */
const char *skep_version(void);

#ifdef __cplusplus
}
#endif
#endif
