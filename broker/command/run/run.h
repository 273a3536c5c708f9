/* SPDX-License-Identifier: MIT
 * What the files of skep run share. */
#ifndef SKEP_COMMAND_RUN_RUN_H
#define SKEP_COMMAND_RUN_RUN_H

#include <command.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "command/common/say.h"
#include "command/common/times.h"
#include "command/view/notice.h"

/* Whether a stream can be written without waiting longer than this. */
bool stream_is_writable(int fd, int timeout_ms);

/* --- log.c: lines on stderr that never hold the broker up --- */

enum { LOG_STREAMS = 2 };

struct log {
    uint64_t dropped; /* lines since the last that was written */
    /* Of the files that stdout and stderr were at first; "": no file, or one that has no name any more */
    char files[LOG_STREAMS][PATH_MAX];
};

/* Notes where stdout and stderr lead, so that they can be opened again later. */
void log_begin(struct log *log);

/* Opens the files of stdout and stderr again by their names, after they were moved. Says in the log
 * what was opened, or why not: then the old one stays. */
void log_reopen(struct log *log);

/* Writes one line, given without its end; drops and counts it if earlier output is not read. */
void log_line(struct log *log, const char *text);

/* The same with time and "broker: " before it. */
SKEP_PRINTF(2, 3) void log_broker(struct log *log, const char *format, ...);

/* Waits until the log can be written, a second at most: the last line should not be dropped. */
void log_wait(void);

/* --- passing.c: what workers write, passed on to a stream that never holds the broker up --- */

enum { PASSING_BYTES = 128 * 1024 };

enum passing_way {
    PASSING_PLAIN, /* a file, or something else that never waits for long */
    PASSING_OWN,   /* opened again, so that only this description does not block: others share the stream */
    PASSING_SOCKET,
    PASSING_POLL, /* could not be opened again: written to in pieces that fit */
    PASSING_NONE  /* the reader has ended */
};

struct passing {
    int fd;
    enum passing_way way;
    bool on_terminal;
    char buffer[PASSING_BYTES]; /* what has not been written */
    size_t used;
    uint64_t dropped; /* lines since the last that was taken */
};

void passing_open(struct passing *passing, int fd);

/* Takes one line, given without its end; cut bytes of it were left out. Drops and counts it if too much waits. */
void passing_add(struct passing *passing, struct skep_bytes line, uint64_t cut);

/* Writes as much as can be written now. */
void passing_flush(struct passing *passing);

/* Writes the rest, waits a second at most for the reader, and closes; what is left then is dropped. */
void passing_close(struct passing *passing);

/* --- signals.c: those that are not the cluster's: SIGUSR1 reopens the log, and no other ends the broker, which would
 * take all jobs with it, unless it is SIGKILL or says that the program is broken --- */

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
