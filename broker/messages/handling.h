/* SPDX-License-Identifier: MIT
 * How long workers took for what they handled, as they report it: by each, by all, and by queue. */
#ifndef SKEP_MESSAGES_HANDLING_H
#define SKEP_MESSAGES_HANDLING_H

#include <skep/cluster.h>

#include "command.h"
#include "histogram.h"

enum skep__handled_what {
#define HANDLED(id, name) SKEP__HANDLED_##id,
#include "messages/handled.def"
#undef HANDLED
    SKEP__HANDLED_WHATS
};

struct skep__queue;

struct skep__handling {
    struct skep_histogram of[SKEP__HANDLED_WHATS];
};

/* How long a worker took for jobs of a queue; context is the worker. */
typedef void skep__job_times_cb(void *context, const struct skep__queue *queue, const struct skep_histogram *times);

/* Adds what a worker reports; child is NULL if it is gone. note is called for jobs (NULL: not). Without memory a report
 * is lost. Errors: SKEP_EPROTO, with *why. */
SKEP_MUST_USE int skep__handled(skep_cluster *cluster, skep_child *child, const struct skep_command_handled *handled,
                                skep__job_times_cb *note, const char **why);

/* Appends handlingStatus for all workers, then for each as long as the answer is not too large. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__handling_add(const skep_cluster *cluster, struct skep_frame *frame);

/* Packs a histogram for an answer that has so many bytes; the result lies in packed. Empty if there is nothing in it,
 * or if it would make the answer too large. */
struct skep_bytes skep__handling_pack(const struct skep_histogram *times, size_t answer_bytes,
                                      char packed[SKEP_MAX_TIMES]);

void skep__handling_free(struct skep__handling *handling);

#endif
