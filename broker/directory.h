/* SPDX-License-Identifier: MIT
 * The instance's directory: made, checked, owned. */
#ifndef SKEP_DIRECTORY_H
#define SKEP_DIRECTORY_H

#include "broker.h"

/* Makes the directory (0700) if it is missing, checks that it is private, that nobody else may write above it and that
 * it holds nothing but Skep's files and sockets, takes its lock, removes the sockets of brokers that are gone. Fills
 * cluster.instance and cluster.lock. Errors: SKEP_EDIR and SKEP_EBUSY, with nothing touched. */
SKEP_MUST_USE int skep__directory_take(skep_cluster *cluster);

/* If workers run as another user: lets that user reach this worker's sockets, and nothing else. Errors: SKEP_EACCES. */
SKEP_MUST_USE int skep__directory_share(skep_cluster *cluster, uint32_t worker);

/* Removes the sockets of this broker; the directory too if it is ephemeral. */
void skep__directory_release(skep_cluster *cluster);

#endif
