/* SPDX-License-Identifier: MIT
 * Answers to submissions. They go to a client in the order of its numbers; the store may complete its jobs later. */
#ifndef SKEP_CLIENTS_ANSWERS_H
#define SKEP_CLIENTS_ANSWERS_H

#include "clients/session.h"

/* Puts jobs of a client, which are its next ones, and sees to the answers. queue NULL: they are declined with a status.
 * dispatch must follow. */
void skep__answers_put(struct skep__session *session, struct skep__queue *queue, const struct skep__batch *batch,
                       int status);

/* Whether more jobs of the client can be put: not while too many are unanswered. After their answers "expected" tells
 * the client which number comes next. */
bool skep__answers_allow(struct skep__session *session);

/* Answers once more to what was submitted before; what was not answered yet will be in any case. Returns how many of
 * the jobs have been submitted before. */
uint32_t skep__answers_again(struct skep__session *session, const struct skep_command_submit *submit);

/* To be called before an outcome goes to the client: what has been answered of its submissions goes first. */
void skep__answers_hurry(struct skep__session *session);

/* The client is gone: the store's answers to its submissions are dropped. */
void skep__answers_leave(struct skep__session *session);

#endif
