/* SPDX-License-Identifier: MIT
 * Fuzzes the unpacking of histograms: no byte is read beyond the end, what is refused changes nothing, what is packed
 * again unpacks to the same. Dictionary fuzz_histogram.dict, seeds corpus/histogram. */
#include <stdlib.h>
#include <string.h>

#include "histogram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

static uint64_t sum_of(const struct skep_histogram *histogram) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < histogram->cells; i++) sum += histogram->counts[i];
    return sum;
}

static void check_quantiles(const struct skep_histogram *histogram) {
    uint64_t least_ns = skep__histogram_quantile_ns(histogram, 0);
    uint64_t middle_ns = skep__histogram_quantile_ns(histogram, 0.5);
    must(least_ns <= middle_ns && middle_ns <= skep__histogram_quantile_ns(histogram, 1));
    must((least_ns == 0) == (histogram->total == 0));
}

/* Its own packing, and taking it away from itself, leave nothing over. */
static void check_again(struct skep_histogram *histogram) {
    static char packed[64 * 1024]; /* more than SKEP_MAX_TIMES: counts may be absurd */
    struct skep_histogram again = {0};
    size_t size_bytes;
    must(skep__histogram_pack(histogram, packed, sizeof packed, &size_bytes) == SKEP_OK);
    must(skep__histogram_unpack(&again, packed, size_bytes) == SKEP_OK);
    must(again.total == histogram->total);
    skep__histogram_subtract(histogram, &again);
    must(histogram->total == 0 && sum_of(histogram) == 0);
    skep__histogram_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    struct skep_histogram histogram = {0};
    uint8_t *copy = malloc(size_bytes > 0 ? size_bytes : 1);
    if (copy == NULL) return 0;
    if (size_bytes > 0) memcpy(copy, data, size_bytes);
    int status = skep__histogram_unpack(&histogram, copy, size_bytes);
    must(status == SKEP_OK || (status == SKEP_EPROTO && histogram.total == 0 && histogram.cells == 0));
    must(sum_of(&histogram) == histogram.total);
    check_quantiles(&histogram);
    check_again(&histogram);
    skep__histogram_free(&histogram);
    free(copy);
    return 0;
}
