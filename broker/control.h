/* SPDX-License-Identifier: MIT
 * The control socket: what operators ask. */
#ifndef SKEP_CONTROL_H
#define SKEP_CONTROL_H

#include "broker.h"

/* Opens the control socket. Errors: as skep__server_new. */
SKEP_MUST_USE int skep__control_open(skep_cluster *cluster);

/* Appends the broker's whole status. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__status_add(skep_cluster *cluster, struct skep_frame *frame);

#endif
