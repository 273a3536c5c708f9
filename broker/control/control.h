/* SPDX-License-Identifier: MIT
 * What operators ask of a running hive, on the control socket and by signals. */
#ifndef SKEP_CONTROL_CONTROL_H
#define SKEP_CONTROL_CONTROL_H

#include "broker.h"

/* Makes what the room has of a cluster, and frees it when its handles have closed. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__control_new(skep_cluster *cluster);
void skep__control_free(skep_cluster *cluster);

/* Opens the control socket, with the start of the cluster. Errors: as skep__server_new. */
SKEP_MUST_USE int skep__control_open(skep_cluster *cluster);

/* Closes it; questions that wait get no answer. */
void skep__control_close(skep_cluster *cluster);

/* The cluster ends, and this is the last of it: signals have no effect any more, handles are closed. */
void skep__control_end(skep_cluster *cluster);

#endif
