/* SPDX-License-Identifier: MIT
 * Durations as log-linear histograms, in the layout of HdrHistogram (hdrhistogram.org): two significant decimal digits,
 * so that every quantile is off by less than 1 % or 128 ns. They can be merged, which quantiles cannot.
 *
 * Values are nanoseconds, up to an hour; longer ones count as an hour. The unit of the lowest cells is 128 ns. */
#pragma once

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised is empty. It grows as far as the greatest value needs; free with skep__histogram_free. */
struct skep_histogram {
    uint64_t *counts; /* by cell */
    uint32_t cells;   /* that counts has room for */
    uint64_t total;   /* values recorded */
};

/* Records a value. Errors: SKEP_ENOMEM; the histogram is as before then. */
SKEP_MUST_USE int skep__histogram_record(struct skep_histogram *histogram, uint64_t value_ns);

/* Adds what another one holds. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__histogram_add(struct skep_histogram *histogram, const struct skep_histogram *other);

/* Takes away what it held at an earlier time, so that what was recorded since is left. Cells that the earlier one has
 * more in (it was of another process) become empty. */
void skep__histogram_subtract(struct skep_histogram *histogram, const struct skep_histogram *earlier);

/* The value that a share (0 to 1) of all values does not exceed, more than that by at most 1 % or 127 ns; 0 if it is
 * empty. */
uint64_t skep__histogram_quantile_ns(const struct skep_histogram *histogram, double share);

/* Packs it: for each cell that is not empty its distance from the cell before (the first: from -1) less 1, and its
 * count, each as unsigned LEB128. At most SKEP_MAX_TIMES bytes. Errors: SKEP_ETOOBIG. */
SKEP_MUST_USE int skep__histogram_pack(const struct skep_histogram *histogram, char *to, size_t capacity_bytes,
                                       size_t *size_bytes);

/* Adds a packed one. Errors: SKEP_EPROTO (no such cell, a number that does not end or does not fit), SKEP_ENOMEM; the
 * histogram is as before then. */
SKEP_MUST_USE int skep__histogram_unpack(struct skep_histogram *histogram, const void *packed, size_t size_bytes);

/* Empties it and keeps its memory. */
void skep__histogram_clear(struct skep_histogram *histogram);

void skep__histogram_free(struct skep_histogram *histogram);
