/* SPDX-License-Identifier: MIT
 * What is done about the end of memory, by all rooms together. */
#ifndef SKEP_HIVE_SHORTAGE_H
#define SKEP_HIVE_SHORTAGE_H

#include "broker.h"

/* Tries again what waits for memory. */
void skep__shortage_retry(skep_cluster *cluster);

/* The sockets have no memory; context is the cluster. As skep__memory_lacks. */
bool skep__shortage_lacks(void *context);

#endif
