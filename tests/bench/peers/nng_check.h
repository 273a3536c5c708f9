/* SPDX-License-Identifier: MIT
 * Ends a peer's program with one line when NNG fails. */
#ifndef BENCH_NNG_CHECK_H
#define BENCH_NNG_CHECK_H

#include <nng/nng.h>
#include <stdio.h>
#include <stdlib.h>

static inline void bench_nng(int error, const char *what) {
    if (error == 0) return;
    fprintf(stderr, "%s: %s\n", what, nng_strerror(error));
    exit(1);
}

#endif
