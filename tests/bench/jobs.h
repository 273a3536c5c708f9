/* SPDX-License-Identifier: MIT
 * What all contenders of the job benches have in common: how many jobs are under way, and what doing one means. */
#ifndef BENCH_JOBS_H
#define BENCH_JOBS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Submitted and not yet done: enough that nobody waits for a round trip, and few enough that it is no test of memory.
 * Whoever has no bound of its own would otherwise measure how well it fills a queue. */
static inline uint64_t bench_window(size_t payload_bytes) {
    const uint64_t jobs = 65536;
    const uint64_t bytes = 64u * 1024 * 1024;
    return bytes / payload_bytes < jobs ? bytes / payload_bytes : jobs;
}

/* Doing a job: both ends of its payload are read. The sum is printed, so that no compiler leaves it out. */
static inline void bench_do(uint64_t *sum, const void *data, size_t size_bytes) {
    const unsigned char *bytes = data;
    if (size_bytes > 0) *sum += bytes[0] + (uint64_t)bytes[size_bytes - 1];
}

static inline void bench_sum_print(uint64_t sum) {
    fprintf(stderr, "sum of the jobs done: %llu\n", (unsigned long long)sum);
}

#endif
