/* SPDX-License-Identifier: MIT
 * Which store the environment asks for, and one on a disk. */
#ifndef SKEP_TESTS_WANTED_STORE_H
#define SKEP_TESTS_WANTED_STORE_H

#include "broker.h"

/* Whether SKEP_TEST_STORE is so. */
bool wanted_store_is(const char *name);

/* Whether the cluster's store is on a disk; and writes what has gathered there. */
bool wanted_has_disk(const skep_cluster *cluster);
void wanted_settle_disk(const skep_cluster *cluster);

#endif
