/* SPDX-License-Identifier: MIT
 * Flushes output at once, for programs that read stdout as it comes. */
#ifndef SKEP_COMMAND_COMMON_FLUSH_H
#define SKEP_COMMAND_COMMON_FLUSH_H

#include <stdbool.h>

/* For what prints until it is interrupted: SIGPIPE is ignored, SIGINT and SIGTERM end the program with 0, since all
 * that was printed has been flushed. */
void output_begin(void);

/* Returns 0, or the errno of what went wrong with this or with what was printed before. A reader that left is no error,
 * now or when the program ends: *deaf is set then. SIGPIPE must be ignored. */
int flush_output(bool *deaf);

/* Whether the reader of stdout has ended, also if there is nothing to write. */
bool output_is_deaf(void);

#endif
