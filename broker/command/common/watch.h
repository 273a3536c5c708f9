/* SPDX-License-Identifier: MIT
 * A text that is refreshed at an interval: in place on a terminal, one after the other elsewhere. */
#ifndef SKEP_COMMAND_COMMON_WATCH_H
#define SKEP_COMMAND_COMMON_WATCH_H

#include <stdbool.h>
#include <stddef.h>

/* To be called before the first frame: SIGINT, SIGTERM and SIGHUP end the program then with status 0 and leave the
 * terminal as it was. */
void watch_begin(void);

/* Shows a text of whole lines; on a terminal what fits into the window, and how much more there is. Returns 0; or says
 * what is wrong and returns the exit status. *deaf: nobody reads any more. */
int watch_show(const char *text, size_t size_bytes, bool *deaf);

#endif
