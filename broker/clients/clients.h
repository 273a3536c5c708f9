/* SPDX-License-Identifier: MIT
 * Clients that have joined: what they submit and what they are owed. Jobs of the primary itself. */
#ifndef SKEP_CLIENTS_CLIENTS_H
#define SKEP_CLIENTS_CLIENTS_H

#include "broker.h"
#include "jobs/jobs.h"

/* Makes what the room has of a cluster, and frees it when its handles have closed. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__clients_new(skep_cluster *cluster);
void skep__clients_free(skep_cluster *cluster);

/* Opens the intake, with the start of the cluster. Errors: as skep__port_listen. */
SKEP_MUST_USE int skep__clients_open(skep_cluster *cluster);

/* Closes it; all clients are gone. */
void skep__clients_close(skep_cluster *cluster);

/* The cluster ends: outcomes that the primary waits for are called back with SKEP_ECLOSED, handles are closed. */
void skep__clients_end(skep_cluster *cluster);

/* What jobs/ calls: outcomes go to their submitters, and to all that wait with a copy. */
extern const struct skep__job_events skep__client_job_events;

/* Admits a client and adds the answer; *why is static text that says more, or NULL. Errors: SKEP_EMFILE,
 * SKEP_ECLIENTS, SKEP_ECLOSED (it is gone), SKEP_EDIR, SKEP_EACCES, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__session_join(skep_cluster *cluster, pid_t pid, struct skep_frame *frame, const char **why);

/* Sends the outcomes that have gathered. */
void skep__sessions_flush(skep_cluster *cluster);

/* Whether a job of the primary's can be submitted as it is. Errors: SKEP_EINVAL, SKEP_ETOOBIG. */
SKEP_MUST_USE int skep__primary_check(skep_cluster *cluster, const char *queue, size_t size_bytes,
                                      const skep_job_options *options);

/* Submits one that was checked; the cluster runs. As skep_cluster_submit. With a store that completes later SKEP_OK
 * means that the job is being put, and *id is 0. If it is declined then, the outcome has the status, or an event says
 * so. */
SKEP_MUST_USE int skep__primary_submit(skep_cluster *cluster, const char *queue, const void *data, size_t size_bytes,
                                       const skep_job_options *options, uint64_t *id, skep_cluster_outcome_cb outcome,
                                       void *context);

/* Adds the room's part to the status of the broker. */
void skep__clients_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status);

#endif
