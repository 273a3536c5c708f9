/* SPDX-License-Identifier: MIT
 * The instance's directory: made, checked, owned. */
#ifndef SKEP_CONFIG_DIRECTORY_H
#define SKEP_CONFIG_DIRECTORY_H

#include "broker.h"

/* Makes the directory (0700) if it is missing, checks that it is private, that nobody else may write above it and that
 * it holds nothing but Skep's files and sockets, takes its lock, removes the sockets of brokers that are gone. Fills
 * cluster.instance and cluster.lock. Errors: SKEP_EDIR, SKEP_EBUSY, SKEP_EMFILE, SKEP_ENOMEM, with nothing touched. */
SKEP_MUST_USE int skep__directory_take(skep_cluster *cluster);

/* To be called before something is made in the directory. Errors: SKEP_EDIR (it is not there any more, or another
 * broker's is in its place). */
SKEP_MUST_USE int skep__directory_check(skep_cluster *cluster);

/* Checks it for a worker. If the program runs as another user: lets that user pass through the directory and connect to
 * outbox and news. Errors: as above, SKEP_EACCES, SKEP_ETOOBIG (workers have had too many different users). */
SKEP_MUST_USE int skep__directory_share(skep_cluster *cluster, const struct skep__program *program);

/* The same user gets the inbox of a worker. Errors: SKEP_EACCES. */
SKEP_MUST_USE int skep__directory_give_inbox(skep_cluster *cluster, uint32_t worker,
                                             const struct skep__program *program);

/* Removes the sockets of this broker; the directory too if it is ephemeral. Touches nothing of
 * another broker's directory that is in its place. */
void skep__directory_release(skep_cluster *cluster);

#endif
