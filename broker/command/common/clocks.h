/* SPDX-License-Identifier: MIT
 * What time it is. */
#ifndef SKEP_COMMAND_COMMON_CLOCKS_H
#define SKEP_COMMAND_COMMON_CLOCKS_H

#include <stdint.h>

/* Since 1970; may jump. */
uint64_t wall_clock_ms(void);

/* Since some moment; never goes back. */
uint64_t monotonic_ms(void);

#endif
