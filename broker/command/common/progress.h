/* SPDX-License-Identifier: MIT
 * One line on a terminal that tells how far something is, written again and again. */
#ifndef SKEP_COMMAND_COMMON_PROGRESS_H
#define SKEP_COMMAND_COMMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised shows nothing, whatever is asked of it. */
struct progress {
    bool is_wanted;
    int width; /* of the line that stands there; 0: none does */
    uint64_t latest_ns;
    uint64_t accepted; /* then */
    double rate;       /* accepted in a second, of late */
};

/* Wanted if stderr is a terminal. */
void progress_begin(struct progress *progress, uint64_t now_ns);

void progress_show(struct progress *progress, uint64_t submitted, uint64_t accepted, uint64_t now_ns);

/* Leaves the line empty, for something else to be written there. */
void progress_erase(struct progress *progress);

#endif
