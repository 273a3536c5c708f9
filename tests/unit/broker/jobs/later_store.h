/* SPDX-License-Identifier: MIT
 * A store under test that completes each change on a later turn of the loop, as one on a disk or behind a network does.
 * It keeps changes in their order and lets a store in memory make them then. A test can hold them, and make them fail.
 * On a cluster with any other store all of these do nothing. */
#ifndef SKEP_TESTS_LATER_STORE_H
#define SKEP_TESTS_LATER_STORE_H

#include "broker.h"

/* Takes the place of a cluster's store in memory, and frees it in the end. */
void later_install(skep_cluster *cluster);

/* Whether the environment asks for it, or for a disk, which completes later too: SKEP_TEST_STORE is "later" or "disk".
 */
bool later_is_wanted(void);

/* With "disk": a directory of jobs beside this one, until the next call; NULL: none is wanted. */
const char *later_jobs_dir(const char *dir);

/* Whether the cluster's store is one of these. */
bool later_is_installed(const skep_cluster *cluster);

/* Nothing is completed until it is called again with false. */
void later_hold(skep_cluster *cluster, bool held);

/* Completes the first n jobs of the oldest put; the rest waits for the other call, and for nothing else. */
void later_put_some(const skep_cluster *cluster, uint32_t n);
void later_put_rest(const skep_cluster *cluster);

/* What is completed from now on fails: puts are answered with the status, other changes stay. SKEP_OK ends that. */
void later_fail(skep_cluster *cluster, int status);

/* Completes at once what is pending, and what follows of it, if it is not held. */
void later_settle(const skep_cluster *cluster);

/* The number of pending changes. */
size_t later_pending(const skep_cluster *cluster);

#endif
