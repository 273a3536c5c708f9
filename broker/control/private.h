/* SPDX-License-Identifier: MIT
 * The state of control/. */
#ifndef SKEP_CONTROL_PRIVATE_H
#define SKEP_CONTROL_PRIVATE_H

#include <string.h>

#include "base/signal_mask.h"
#include "base/why.h"
#include "common/text.h"
#include "control/control.h"
#include "group/group.h"
#include "jobs/jobs.h"
#include "journal/journal.h"
#include "worker/worker.h"

enum { SKEP__STOP_SIGNALS = 3 };

struct skep__control {
    struct skep__server *server;
    struct skep_reader reader;
    STAILQ_HEAD(, skep__parked) parked; /* questions about the status that wait for usage.c */
    LIST_HEAD(, skep__asked) asked;     /* questions about jobs */
    uint64_t bad_frames;                /* ever */

    /* signals that stop or steer the cluster */
    struct skep__signal_mask mask;
    uv_signal_t signals[SKEP__STOP_SIGNALS];
    unsigned signal_count; /* of these that are there */
    bool stop_signalled;   /* SIGINT or SIGTERM came: the next of them kills */
    uv_poll_t steering;    /* a signalfd */
    int steering_fd;
    bool steers;
};

/* --- steer_signals.c --- */

/* Closes what skep_cluster_stop_on_signals and skep_cluster_steer_on_signals opened. What came until then has no effect
 * any more; from then on the signals have their default effect, and all that the cluster has blocked or unblocked are
 * as before. */
void skep__signals_close(skep_cluster *cluster);

/* --- status.c --- */

/* Appends the broker's whole status, with usage as it was looked at last. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__status_add(skep_cluster *cluster, struct skep_frame *frame);

/* --- control_jobs.c --- */

/* Answers a question about queues or dead letters. Errors: SKEP_EPROTO (it is none), SKEP_ENOQUEUE, SKEP_ENOJOB,
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__answer_about_jobs(skep_cluster *cluster, const struct skep_command *command,
                                          struct skep_frame *frame);

/* A question about one job: the call is answered, at once or later. False: it is none, or there is no memory for it. */
bool skep__ask_about_job(skep_cluster *cluster, const struct skep_command *command, struct skep__call *call);

/* Those that wait get no answer. */
void skep__asked_jobs_drop(skep_cluster *cluster);

/* --- control_steer.c --- */

/* Append the answer done, or failed with a reason, which is cut to fit. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__done_add(struct skep_frame *frame);
SKEP_MUST_USE int skep__failed_add(int status, const char *why, struct skep_frame *frame);

/* Does what a command of steering asks, and appends its answer, which may be why not. Errors: SKEP_EPROTO (it is none),
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__steer(skep_cluster *cluster, const struct skep_command *command, struct skep_frame *frame);

#endif
