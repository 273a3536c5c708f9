/* SPDX-License-Identifier: MIT
 * How many workers there are to be. */
#ifndef SKEP_GROUP_SCALE_H
#define SKEP_GROUP_SCALE_H

#include "broker.h"

/* An operator wants a worker to leave: there is one fewer from then on. Errors: SKEP_ESTATE (it is leaving). */
SKEP_MUST_USE int skep__scale_drain(skep_child *child);

/* The cluster stops: having no workers no longer keeps it running. */
void skep__scale_stop(skep_cluster *cluster);

#endif
