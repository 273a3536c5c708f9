/* SPDX-License-Identifier: MIT
 * The control socket: what operators ask. */
#ifndef SKEP_CONTROL_CONTROL_H
#define SKEP_CONTROL_CONTROL_H

#include "broker.h"

/* Opens the control socket. Errors: as skep__server_new. */
SKEP_MUST_USE int skep__control_open(skep_cluster *cluster);

/* Closes it; questions that wait get no answer. */
void skep__control_close(skep_cluster *cluster);

/* Appends the broker's whole status, with usage as it was looked at last. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__status_add(skep_cluster *cluster, struct skep_frame *frame);

/* --- control_steer.c --- */

/* Append the answer done, or failed with a reason, which is cut to fit. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__done_add(struct skep_frame *frame);
SKEP_MUST_USE int skep__failed_add(int status, const char *why, struct skep_frame *frame);

/* Does what a command of steering asks, and appends its answer, which may be why not. Errors: SKEP_EPROTO (it is none),
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__steer(skep_cluster *cluster, const struct skep_command *command, struct skep_frame *frame);

/* --- queue_status.c --- */

/* Append the status of each queue; of the first n jobs of one; of the n dead letters of one, or (NULL) of all, that
 * come after the one with an id, or (0) of the first. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__queues_add(skep_cluster *cluster, struct skep_frame *frame);
SKEP_MUST_USE int skep__peek_add(skep_cluster *cluster, struct skep__queue *queue, uint64_t n,
                                 struct skep_frame *frame);
SKEP_MUST_USE int skep__dead_add(skep_cluster *cluster, struct skep__queue *queue, uint64_t after, uint64_t n,
                                 struct skep_frame *frame);

#endif
