/* SPDX-License-Identifier: MIT
 * What the broker says of the job benches' queue and its workers. */
#ifndef BENCH_SKEP_JOBS_VIEW_H
#define BENCH_SKEP_JOBS_VIEW_H

#include <skep/client.h>
#include <stdint.h>

enum { JOBS_MAX_WORKERS = 256 };

struct jobs_view {
    uint64_t at_ns;
    int32_t pid;              /* of the broker */
    uint64_t submitted, done; /* jobs, ever */
    size_t workers;
    uint32_t ids[JOBS_MAX_WORKERS];
    uint64_t requests[JOBS_MAX_WORKERS]; /* what each has counted, in the same order */
};

/* Asks the broker; ends the program if it does not answer. */
void jobs_look(skep_client *client, struct jobs_view *view);

/* What the workers have counted since an earlier look, altogether. */
uint64_t jobs_counted(const struct jobs_view *before, const struct jobs_view *after);

/* How far the worker that differs most is off the mean since then, as a share of it. */
double jobs_spread(const struct jobs_view *before, const struct jobs_view *after);

/* Resident memory of the broker. */
uint64_t jobs_rss_bytes(const struct jobs_view *view);

#endif
