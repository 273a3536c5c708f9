/* SPDX-License-Identifier: MIT
 * What time it is. */
#ifndef SKEP_COMMAND_COMMON_CLOCKS_H
#define SKEP_COMMAND_COMMON_CLOCKS_H

#include <stdint.h>

/* Since some moment; never goes back. */
uint64_t monotonic_ms(void);

enum { TIME_BYTES = 32 };

/* Writes a time of the wall clock as 2026-01-31T23:59:59.123Z. */
void time_text(uint64_t time_ms, char text[TIME_BYTES]);

#endif
