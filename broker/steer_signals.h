/* SPDX-License-Identifier: MIT
 * Steering by signals. */
#ifndef SKEP_STEER_SIGNALS_H
#define SKEP_STEER_SIGNALS_H

#include "broker.h"

/* Closes what skep_cluster_steer_on_signals opened; the signals stay blocked. */
void skep__steering_close(skep_cluster *cluster);

#endif
