/* SPDX-License-Identifier: MIT
 * What belongs to a worker and ends with it: the processes of its group; and, if the cluster adopts, those that have
 * left the group and carry its mark. */
#ifndef SKEP_WORKER_BELONGINGS_H
#define SKEP_WORKER_BELONGINGS_H

#include "broker.h"

/* The mark of a worker's processes: a variable of its environment, which they inherit. */
enum { SKEP__MARK_BYTES = 64 };
void skep__mark(const skep_cluster *cluster, uint32_t worker, char text[SKEP__MARK_BYTES]);

/* From here on the kernel kills the group of a new worker when the broker ends, however that happens. Without
 * descriptors for it the broker still kills the group when the worker ends. */
void skep__belongings_guard(skep_child *child);

/* Kills what is left of the group of a worker that has ended or is to. is_there: its process was not reaped yet. */
void skep__belongings_end(skep_child *child, bool is_there);

/* With settings.adopt: becomes the parent of what workers leave behind. Errors: SKEP_ESYS. */
SKEP_MUST_USE int skep__orphans_adopt(skep_cluster *cluster);

/* A worker has ended and was reaped: kills what it has left behind, reaps what has ended. */
void skep__orphans_look(skep_cluster *cluster);

/* No worker is left: kills and reaps all that were adopted; waits for their end, a second at most. */
void skep__orphans_end(skep_cluster *cluster);

/* Kills what a broker of this directory has left behind that was killed. */
void skep__orphans_inherit(pid_t broker, uint64_t generation);

#endif
