/* SPDX-License-Identifier: MIT
 * What happens when: the lives of workers, what they say, and what their ends mean for every room. The only place where
 * rooms meet. */
#pragma once

#include "jobs/jobs.h"
#include "worker/worker.h"

/* Makes what the room has of a cluster, and frees it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__hive_new(skep_cluster *cluster);
void skep__hive_free(skep_cluster *cluster);

/* Opens the outbox, with the start of the cluster; closes it. Errors: as skep__port_listen. */
SKEP_MUST_USE int skep__hive_open(skep_cluster *cluster);
void skep__hive_close(skep_cluster *cluster);

/* The cluster ends: kills and reaps all workers, without their events. */
void skep__hive_end(skep_cluster *cluster);

/* What worker/ calls. */
extern const struct skep__worker_events skep__hive_events;

/* What jobs/ calls; context is the cluster. */
extern const struct skep__jobs_host skep__hive_jobs_host;

/* Tries again what waits for memory, in all rooms. */
void skep__shortage_retry(skep_cluster *cluster);

/* The sockets have no memory; context is the cluster. As skep__memory_lacks. */
bool skep__shortage_lacks(void *context);

/* Adds the room's part to the status of the broker, and to that of a worker. */
void skep__hive_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status);
void skep__hive_worker_status(const skep_child *child, struct skep_command_workerStatus *status);
