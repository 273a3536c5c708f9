/* SPDX-License-Identifier: MIT
 * Steering by signals. */
#ifndef SKEP_CONTROL_STEER_SIGNALS_H
#define SKEP_CONTROL_STEER_SIGNALS_H

#include "broker.h"

/* Closes what skep_cluster_steer_on_signals opened; SIGHUP, SIGTTIN and SIGTTOU stay blocked. */
void skep__steering_close(skep_cluster *cluster);

/* Stops the cluster as this signal does: the first one drains, a second one kills, except SIGQUIT. */
void skep__cluster_stop_by(skep_cluster *cluster, int signal);

#endif
