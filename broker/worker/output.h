/* SPDX-License-Identifier: MIT
 * What a worker writes to stdout and stderr: read line by line, for the log and the subscribers. */
#ifndef SKEP_WORKER_OUTPUT_H
#define SKEP_WORKER_OUTPUT_H

#include "broker.h"

/* Begins to read the two pipes of a worker, which are the output's from then on, and closed if this
 * fails. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__output_new(skep_child *child, const int fds[2]);

/* The worker has ended: reads what it left in the pipes, within bounds, and closes them. A process that still holds the
 * other ends is ignored from now on. */
void skep__output_finish(skep_child *child);

/* Closes them as they are. */
void skep__output_close(skep_child *child);

#endif
