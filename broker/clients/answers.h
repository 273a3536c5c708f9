/* SPDX-License-Identifier: MIT
 * Answers to submissions. A client is told what became of its jobs in the order of their numbers, whenever and in
 * whatever order the store gets done with them. */
#ifndef SKEP_CLIENTS_ANSWERS_H
#define SKEP_CLIENTS_ANSWERS_H

#include "clients/session.h"

/* Puts jobs of a client, which are its next ones, and sees to the answers. queue NULL: they are declined with a status.
 * dispatch must follow. */
void skep__answers_put(struct skep__session *session, struct skep__queue *queue, const struct skep__batch *batch,
                       int status);

/* Whether more jobs of the client can be put: not if too many have not been answered. When these have, it is told which
 * number comes next. */
bool skep__answers_allow(struct skep__session *session);

/* Answers once more to what was submitted before; what was not answered yet will be in any case. Returns how many of
 * the jobs have been submitted before. */
uint32_t skep__answers_again(struct skep__session *session, const struct skep_command_submit *submit);

/* The client is gone: what the store will say to its submissions is heard by nobody. */
void skep__answers_leave(struct skep__session *session);

#endif
