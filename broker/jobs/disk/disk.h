/* SPDX-License-Identifier: MIT
 * A store whose durable shelves outlast the broker, and the machine's power: their jobs are in tables (database.h), and
 * those that are served next in memory, too. Shelves that are not durable are in memory only, and as quick as there.
 *
 * Changes gather while others are written, on a thread of libuv's pool; one commit covers all that has gathered, and
 * completes it. So a put is answered when its jobs would survive a loss of power. */
#ifndef SKEP_JOBS_DISK_DISK_H
#define SKEP_JOBS_DISK_DISK_H

#include <uv.h>

#include "base/clock.h"
#include "common/flusher.h"
#include "jobs/store.h"

struct skep__disk_setup {
    const char *dir; /* private; has the file, or gets it */
    uv_loop_t *loop;
    struct skep__clock *clock; /* of what the store is told; outlives the store */
    struct skep__flusher *flusher;
    unsigned results_ms; /* for how long outcomes are kept */
};

/* Opens the file. Errors, with one line in why: those of skep__database_open, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__store_disk_new(struct skep__store **store, const struct skep__disk_setup *setup,
                                       const struct skep__store_limits *limits, const struct skep__store_events *events,
                                       void *context, char why[SKEP_MAX_REASON + 1]);

#endif
