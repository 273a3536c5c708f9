/* SPDX-License-Identifier: MIT
 * Durations in answers. */
#include "base/times.h"

enum { ANSWER_BYTES = 3 * 1024 * 1024 /* an answer that has so much gets no more: frames have a limit */ };

struct skep_bytes skep__times_pack(const struct skep_histogram *times, size_t answer_bytes,
                                   char packed[SKEP_MAX_TIMES]) {
    size_t size_bytes;
    bool packable = times->total > 0 && answer_bytes < ANSWER_BYTES &&
                    skep__histogram_pack(times, packed, SKEP_MAX_TIMES, &size_bytes) == SKEP_OK;
    return packable ? (struct skep_bytes){packed, size_bytes} : (struct skep_bytes){0};
}
