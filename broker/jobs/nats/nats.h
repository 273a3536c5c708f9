/* SPDX-License-Identifier: MIT
 * A store whose durable shelves are in streams of JetStream, shared by all brokers that name the same stream. A job is
 * a message; what this broker has taken of them is in memory, too, and leased: if the broker ends, others get it.
 * Shelves that are not durable are in memory only.
 *
 * The stream's number of a message is the job's id, so that it is the same for all brokers. A job that was begun and is
 * tried again is written to the stream anew, with its id and all that was counted of it, and goes to any broker; only
 * then the message before is acknowledged. A job whose broker has ended counts as begun once more. Copies are
 * recognized by their keys for the time that the stream remembers them, from the first submission on. */
#ifndef SKEP_JOBS_NATS_NATS_H
#define SKEP_JOBS_NATS_NATS_H

#include <uv.h>

#include "base/clock.h"
#include "common/flusher.h"
#include "jobs/store.h"

struct skep__stream_setup {
    const char *urls; /* as of nats_link.h; behind the last may be /NAME, of the stream (default: skep) */
    const char *credentials, *ca;
    uv_loop_t *loop;
    struct skep__clock *clock; /* of what the store is told; outlives the store */
    struct skep__flusher *flusher;
    unsigned lease_ms; /* jobs of a broker that is silent for so long go to others */
    unsigned replicas; /* of streams that are made */
};

/* Connects, and makes the streams if they are not there. Errors, with one line in why: those of skep__nats_open;
 * SKEP_ENOHANDLER (no JetStream), SKEP_EUNEXPECTED (the stream is another one's), SKEP_ETIMEDOUT, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__store_nats_new(struct skep__store **store, const struct skep__stream_setup *setup,
                                       const struct skep__store_limits *limits, const struct skep__store_events *events,
                                       void *context, char why[SKEP_MAX_REASON + 1]);

#endif
