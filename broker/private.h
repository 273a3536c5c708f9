/* SPDX-License-Identifier: MIT
 * What the files of the assembly share. */
#ifndef SKEP_BROKER_PRIVATE_H
#define SKEP_BROKER_PRIVATE_H

#include "broker.h"

/* What precedes the first fork of a group: the cluster starts, unless it stops. Errors: SKEP_ESTATE (stopping),
 * SKEP_EINVAL, and those of skep_cluster_start. */
SKEP_MUST_USE int skep__cluster_begin(skep_cluster *cluster, struct skep__terms *terms);

#endif
