/* SPDX-License-Identifier: MIT
 * What becomes of jobs, for the rooms above this one: clients/ fills it in. */
#ifndef SKEP_JOBS_EVENTS_H
#define SKEP_JOBS_EVENTS_H

#include "broker.h"
#include "jobs/store.h"

struct skep__job_events {
    /* A job whose outcome is wanted is done. */
    void (*finished)(skep_cluster *cluster, const struct skep__job *job, const struct skep_bytes *result);
    /* It is a dead letter; cause is static text. */
    void (*died)(skep_cluster *cluster, const struct skep__job *job, const char *cause,
                 const struct skep_bytes *reason);
    /* A step is through that may have ended jobs: what has gathered may leave. */
    void (*settled)(skep_cluster *cluster);
};

#endif
