/* SPDX-License-Identifier: MIT
 * What time it is; and how long something was handled, as it is shown: a packed histogram's quantiles, for programs and
 * for people. */
#ifndef SKEP_COMMAND_COMMON_TIMES_H
#define SKEP_COMMAND_COMMON_TIMES_H

#include <command.h>
#include <histogram.h>
#include <jansson.h>

#include "command/common/table.h"

/* Since some moment; never goes back. */
uint64_t monotonic_ms(void);

enum { TIME_BYTES = 32 };

/* Writes a time of the wall clock as 2026-01-31T23:59:59.123Z. */
void time_text(uint64_t time_ms, char text[TIME_BYTES]);

struct times {
    uint64_t count;
    uint64_t p50_ns;
    uint64_t p90_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
};

/* Reads what handlingStatus or queueStatus has; all 0 if the histogram is empty. Errors: SKEP_EPROTO, SKEP_ENOMEM. */
SKEP_MUST_USE int times_read(struct skep_bytes packed, struct times *times);

/* A new object {"count", "p50_ms", "p90_ms", "p99_ms", "max_ms"}, only count if that is 0; NULL if there is no
 * memory. */
json_t *times_json(const struct times *times);

enum { DURATION_BYTES = 16 };

/* Writes three digits and a unit, such as "850 ns", "85 us", "1.2 ms", "10.5 s". */
void duration_text(uint64_t duration_ns, char text[DURATION_BYTES]);

/* A number of milliseconds, such as p99_ms, as a cell in that form; empty if it is not there */
write_cell write_duration;

/* Quantiles of an object made by times_json, in that form */
write_cell write_p50, write_p99;

#endif
