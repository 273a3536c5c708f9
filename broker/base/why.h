/* SPDX-License-Identifier: MIT
 * What went wrong last, in words: skep_cluster_why. */
#pragma once

#include <skep/cluster.h>

/* Notes what went wrong and returns the status. */
SKEP_PRINTF(3, 4) int skep__broker_fail(skep_cluster *cluster, int status, const char *format, ...);
