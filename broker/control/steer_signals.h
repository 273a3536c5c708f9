/* SPDX-License-Identifier: MIT
 * Signals that stop or steer a cluster. */
#ifndef SKEP_CONTROL_STEER_SIGNALS_H
#define SKEP_CONTROL_STEER_SIGNALS_H

#include "broker.h"

/* Closes what skep_cluster_stop_on_signals and skep_cluster_steer_on_signals opened. What came until then has no effect
 * any more; from then on the signals have their default effect, and all that the cluster has blocked or unblocked are
 * as before. */
void skep__signals_close(skep_cluster *cluster);

#endif
