/* SPDX-License-Identifier: MIT
 * How far something is: on a terminal one line on stdout that is written again and again, else a line for each step. */
#ifndef SKEP_COMMAND_COMMON_TICKER_H
#define SKEP_COMMAND_COMMON_TICKER_H

#include <skep/status.h>
#include <stdbool.h>

struct ticker {
    bool is_terminal;
    bool is_shown; /* a line stands there that is to be written over */
};

void ticker_begin(struct ticker *ticker);

/* A step that was made. */
SKEP_PRINTF(2, 3) void ticker_step(struct ticker *ticker, const char *format, ...);

/* What is waited for; shown on terminals only. */
SKEP_PRINTF(2, 3) void ticker_wait(struct ticker *ticker, const char *format, ...);

/* A line that stays, whatever follows. */
SKEP_PRINTF(2, 3) void ticker_line(struct ticker *ticker, const char *format, ...);

/* Leaves the line empty, for something else to be written there. */
void ticker_erase(struct ticker *ticker);

#endif
