/* SPDX-License-Identifier: MIT
 * What the command says when something goes wrong: one line on stderr, and the exit status that goes with it. */
#ifndef SKEP_COMMAND_COMMON_SAY_H
#define SKEP_COMMAND_COMMON_SAY_H

#include <skep/status.h>
#include <stdarg.h>
#include <stdio.h>

/* Exit status of wrong usage: EX_USAGE, which is also that of SKEP_EINVAL. */
enum { EXIT_USAGE = 64 };

/* Within a function of (…, const char *format, ...): writes what it was given as text. */
#define FORMAT(text, capacity_bytes, format)                      \
    do {                                                          \
        va_list arguments;                                        \
        va_start(arguments, format);                              \
        vsnprintf((text), (capacity_bytes), (format), arguments); \
        va_end(arguments);                                        \
    } while (0)

/* Replaces what could break a line or drive a terminal by question marks. */
void make_printable(char *text);

/* Prints "skep: TEXT" as one line on stderr. */
SKEP_PRINTF(1, 2) void say(const char *format, ...);

/* The same; returns the exit status that is documented for the status. */
SKEP_PRINTF(2, 3) int fail(int status, const char *format, ...);

#endif
