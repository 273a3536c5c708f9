/* SPDX-License-Identifier: MIT
 * The queues of a store. One is created when it is named, and removed when it is empty and unused. */
#ifndef SKEP_JOBS_STORE_QUEUES_H
#define SKEP_JOBS_STORE_QUEUES_H

#include "jobs/store.h"

enum { SKEP__QUEUE_KEPT_MS = 60000 /* that a queue is unused before it is forgotten */ };

struct skep__queues {
    struct skep__queue *by_name;
    struct skep__queue_list empty; /* no job and no key is in them; the one that has been so for longest first */
};

struct skep__queue *skep__queues_find(struct skep__queues *queues, const char *name, size_t size_bytes);

/* Makes a queue; where there are as many as there may be, the one that has been empty for longest and that nobody uses
 * is forgotten for it. Errors: SKEP_EINVAL (name), SKEP_EQUEUES, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__queues_make(struct skep__queues *queues, const char *name, size_t size_bytes,
                                    struct skep__queue **queue);

/* To be called when a job or a key has come into the queue, or has left it. */
void skep__queues_note(struct skep__queues *queues, struct skep__queue *queue);

/* Forgets the queues that have been unused for so long. */
void skep__queues_tidy(struct skep__queues *queues, uint64_t now_ms);

/* Frees a queue that has no job. */
void skep__queues_remove(struct skep__queues *queues, struct skep__queue *queue);

#endif
