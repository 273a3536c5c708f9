/* SPDX-License-Identifier: MIT
 * Memory and processor time of workers, read from /proc on request, and never for many workers in one turn. */
#ifndef SKEP_WORKER_USAGE_H
#define SKEP_WORKER_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct skep_cluster;

/* Of one worker. Zero-initialised: it was never looked at. */
struct skep__usage {
    uint64_t rss_bytes, cpu_ms;
    uint64_t looked_ms; /* the loop's time */
    bool looked;
};

enum { SKEP__USAGE_FRESH_MS = 1000 };

/* Looks at workers whose usage is older than a second, so many of them as a turn of the loop allows. False if some are
 * left; then fresh is called on a later turn, once, when none is. */
bool skep__usage_refresh(struct skep_cluster *cluster, void (*fresh)(struct skep_cluster *cluster));

/* fresh is not called any more. */
void skep__usage_stop(struct skep_cluster *cluster);

#endif
