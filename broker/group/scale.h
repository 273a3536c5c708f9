/* SPDX-License-Identifier: MIT
 * How many workers there are to be. */
#ifndef SKEP_GROUP_SCALE_H
#define SKEP_GROUP_SCALE_H

#include "broker.h"

/* An operator wants a worker to leave: there is one fewer from then on. Errors: SKEP_ESTATE (it is leaving). */
SKEP_MUST_USE int skep__scale_drain(skep_child *child);

/* A worker was added by other means. */
void skep__scale_filled(skep_group *group);

/* The cluster stops: having no workers no longer keeps it running. */
void skep__scale_stop(skep_cluster *cluster);

/* As skep_group_scale, of a cluster that runs. Errors: SKEP_ESTATE, and those of the two below. */
SKEP_MUST_USE int skep__scale(skep_group *group, unsigned workers);

/* Whether there may be so many workers now. Errors: SKEP_EINVAL, SKEP_EUNDERWAY. */
SKEP_MUST_USE int skep__scale_check(skep_group *group, unsigned workers);

/* Starts or drains workers until there are so many; the cluster runs. Errors: as skep_fork. */
SKEP_MUST_USE int skep__scale_to(skep_group *group, unsigned workers);

#endif
