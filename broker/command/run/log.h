/* SPDX-License-Identifier: MIT
 * The log of `skep run`: lines on stderr that never hold the broker up. */
#ifndef SKEP_COMMAND_RUN_LOG_H
#define SKEP_COMMAND_RUN_LOG_H

#include <limits.h>
#include <skep/status.h>
#include <stdint.h>

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

#endif
