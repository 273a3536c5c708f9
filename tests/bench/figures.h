/* SPDX-License-Identifier: MIT
 * What the programs of the benchmarks share: the clock, percentiles, and the one line that each prints at its end. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_PAYLOAD = 64 }; /* bytes of data in each message */

static inline uint64_t bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Messages that arrive in a time that begins with the first, after a warm-up of a fifth of it. */
struct bench_rate {
    uint64_t window_ns;
    uint64_t first_ns;
    uint64_t begin_ns;
    uint64_t last_ns;
    uint64_t count;
};

/* Counts n messages; true as soon as the time is over. Reads the clock once a call. */
static inline int bench_rate_add(struct bench_rate *rate, uint64_t n) {
    uint64_t now_ns = bench_now_ns();
    if (rate->first_ns == 0) rate->first_ns = now_ns;
    if (rate->begin_ns == 0) {
        if (now_ns - rate->first_ns >= rate->window_ns / 5) rate->begin_ns = now_ns;
        return 0;
    }
    rate->count += n;
    rate->last_ns = now_ns;
    return now_ns - rate->begin_ns >= rate->window_ns;
}

static inline void bench_rate_print(const struct bench_rate *rate) {
    uint64_t spent_ns = rate->last_ns - rate->begin_ns;
    printf("{\"figure\": %.1f}\n", spent_ns == 0 ? 0.0 : (double)rate->count * 1e9 / (double)spent_ns);
    fflush(stdout);
}

static inline int bench_compare(const void *left, const void *right) {
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

/* Sorts the samples and prints their median and 99th percentile in the unit of which one is unit_ns. */
static inline void bench_samples_print(uint64_t *samples_ns, size_t count, double unit_ns) {
    if (count == 0) return;
    qsort(samples_ns, count, sizeof *samples_ns, bench_compare);
    printf("{\"figure\": %.3f, \"p99\": %.3f, \"samples\": %zu}\n", (double)samples_ns[count / 2] / unit_ns,
           (double)samples_ns[count - 1 - count / 100] / unit_ns, count);
    fflush(stdout);
}

/* SECONDS of a command line, as nanoseconds. */
static inline uint64_t bench_seconds_ns(const char *text) {
    return (uint64_t)(strtod(text, NULL) * 1e9);
}

#endif
