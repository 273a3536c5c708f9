/* SPDX-License-Identifier: MIT
 * Durations in answers. */
#pragma once

#include "command.h"
#include "histogram.h"

/* Packs a histogram for an answer that has so many bytes; the result lies in packed. Empty if there is nothing in it,
 * or if it would make the answer too large. */
struct skep_bytes skep__times_pack(const struct skep_histogram *times, size_t answer_bytes,
                                   char packed[SKEP_MAX_TIMES]);
