/* SPDX-License-Identifier: MIT
 * The signals of `skep run` that are not the cluster's: SIGUSR1 reopens the log, and no other ends the broker, which
 * would take all jobs with it, unless it is SIGKILL or says that the program is broken. */
#ifndef SKEP_COMMAND_RUN_SIGNALS_H
#define SKEP_COMMAND_RUN_SIGNALS_H

#include <uv.h>

#include "command/run/log.h"

struct signals {
    uv_poll_t poll;
    int fd; /* a signalfd */
    struct log *log;
};

/* Blocks the signals in this thread, for good, and reads them from the loop, which this does not keep alive; each is a
 * line of the log. Those for which the program has a handler already are left alone. Those that stop and steer a
 * cluster are blocked for good, too: a cluster that takes them gives them back like this. */
SKEP_MUST_USE int signals_begin(struct signals *signals, uv_loop_t *loop, struct log *log);

/* Closes what was opened; the signals stay blocked. Not to be called twice. */
void signals_end(struct signals *signals);

#endif
