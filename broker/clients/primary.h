/* SPDX-License-Identifier: MIT
 * Jobs of the primary itself. */
#ifndef SKEP_CLIENTS_PRIMARY_H
#define SKEP_CLIENTS_PRIMARY_H

#include "broker.h"

/* Whether a job can be submitted as it is. Errors: SKEP_EINVAL, SKEP_ETOOBIG. */
SKEP_MUST_USE int skep__primary_check(skep_cluster *cluster, const char *queue, size_t size_bytes,
                                      const skep_job_options *options);

/* Submits one that was checked; the cluster runs. As skep_cluster_submit. With a store that completes later SKEP_OK
 * means that the job is being put, and *id is 0. If it is declined then, the outcome has the status, or an event says
 * so. */
SKEP_MUST_USE int skep__primary_submit(skep_cluster *cluster, const char *queue, const void *data, size_t size_bytes,
                                       const skep_job_options *options, uint64_t *id, skep_cluster_outcome_cb outcome,
                                       void *context);

#endif
