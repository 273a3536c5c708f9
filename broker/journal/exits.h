/* SPDX-License-Identifier: MIT
 * How the latest workers ended. */
#ifndef SKEP_JOURNAL_EXITS_H
#define SKEP_JOURNAL_EXITS_H

#include "broker.h"

/* Keeps a record of a worker that has ended; its last lines go into it, and the time is now. If there is no memory
 * there is no record. jobs: that it had. */
void skep__exits_add(skep_child *child, const skep_exit_facts *facts, uint64_t jobs);

/* Appends the latest n records (0: all), the oldest first. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__exits_answer(const skep_cluster *cluster, uint64_t n, struct skep_frame *frame);

enum { SKEP__HOW_SIZE = 64 };

/* How a worker that has exited did so: "was killed by SIGKILL (watchdog)". */
void skep__exit_text(const skep_child *child, char text[SKEP__HOW_SIZE]);

void skep__exits_free(skep_cluster *cluster);

#endif
