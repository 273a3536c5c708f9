/* SPDX-License-Identifier: MIT
 * The log of `skep run`: lines on stderr that never hold the broker up. */
#ifndef SKEP_COMMAND_LOG_H
#define SKEP_COMMAND_LOG_H

#include <skep/status.h>
#include <stdint.h>

struct log {
    uint64_t dropped; /* lines since the last that was written */
};

/* Writes one line, given without its end; drops and counts it if nobody reads what was written before. */
void log_line(struct log *log, const char *text);

/* The same with time and "broker: " before it. */
SKEP_PRINTF(2, 3) void log_broker(struct log *log, const char *format, ...);

/* Waits for whoever reads the log, a second at most: the last line should not be dropped. */
void log_wait(void);

#endif
