/* SPDX-License-Identifier: MIT
 * Colours on stdout: only on a terminal that has them, and not if the user wants none (no-color.org). */
#ifndef SKEP_COMMAND_COMMON_PAINT_H
#define SKEP_COMMAND_COMMON_PAINT_H

#include <stdbool.h>

enum paint {
    PAINT_NONE,
    PAINT_GOOD,
    PAINT_WARN,
    PAINT_BAD,
    PAINT_TITLE,
    PAINT_FAINT,
};

/* Whether stdout is a terminal that understands more than text: TERM is not dumb. */
bool paint_is_possible(void);

/* Whether NO_COLOR says something. */
bool paint_is_refused(void);

/* Whether colours are possible, and not refused. */
bool paint_wanted(void);

/* Of the state of a worker, a listener or a queue; that of one that is as it should be has none. */
enum paint paint_of_state(const char *state);

/* What begins and what ends text of a colour; "" without colour. Static text. */
const char *paint_begin(bool wanted, enum paint paint);
const char *paint_end(bool wanted, enum paint paint);

#endif
