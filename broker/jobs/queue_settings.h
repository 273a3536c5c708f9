/* SPDX-License-Identifier: MIT
 * Settings of single queues: skep_setup_queue. */
#ifndef SKEP_JOBS_QUEUE_SETTINGS_H
#define SKEP_JOBS_QUEUE_SETTINGS_H

#include <skep/cluster.h>

/* Makes the queues in a new store and gives them their settings. Errors: SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__queue_settings_apply(skep_cluster *cluster);

void skep__queue_settings_free(skep_cluster *cluster);

#endif
