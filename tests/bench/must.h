/* SPDX-License-Identifier: MIT
 * Ends a program of the benchmarks with one line when Skep fails. */
#ifndef BENCH_MUST_H
#define BENCH_MUST_H

#include <skep/skep.h>
#include <stdio.h>
#include <stdlib.h>

static inline void bench_must(int status, const char *what) {
    if (status == SKEP_OK) return;
    fprintf(stderr, "%s: %s\n", what, skep_strerror(status));
    exit(skep_exit_status(status));
}

#endif
