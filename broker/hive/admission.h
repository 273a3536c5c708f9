/* SPDX-License-Identifier: MIT
 * Conditions for giving work to a worker: its user may use both of its channels, they are connected, it sent `ready`.
 */
#ifndef SKEP_HIVE_ADMISSION_H
#define SKEP_HIVE_ADMISSION_H

#include "broker.h"

/* Whether a worker that says hello runs as a user who may connect to its channels. If not, why, in words. */
bool skep__admission_allows(const skep_child *child, char why[SKEP_MAX_REASON + 1]);

/* The worker has sent ready, or one of its channels has connected or ended: it becomes ready if nothing is missing any
 * more; one that was ready has as long again to connect what is. */
void skep__admission_check(skep_child *child);

/* Which channels of a worker that has sent ready are not connected, in words; "" if it has not sent it. */
void skep__admission_missing(const skep_child *child, char why[SKEP_MAX_REASON + 1]);

#endif
