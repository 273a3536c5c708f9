/* SPDX-License-Identifier: MIT
 * How much a worker may write on stdout and stderr: a token bucket, in bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    SKEP__BUCKET_RATE = 1024 * 1024, /* bytes a second */
    SKEP__BUCKET_BURST = 256 * 1024, /* bytes at once */
    SKEP__BUCKET_LEAST = 32 * 1024   /* bytes that an empty one waits for: what comes drop by drop costs wake-ups */
};

struct skep__bucket {
    int64_t bytes; /* below 0: more was taken than there was */
    uint64_t filled_ms;
};

/* A full one. */
struct skep__bucket skep__bucket_full(uint64_t now_ms);

/* Takes what has been read already, however much is there. */
void skep__bucket_take(struct skep__bucket *bucket, uint64_t now_ms, uint64_t bytes);

/* How long nothing may be taken; 0: something may be. */
uint64_t skep__bucket_wait_ms(const struct skep__bucket *bucket);

/* Whether it has been left alone long enough to be full. */
bool skep__bucket_is_full(const struct skep__bucket *bucket, uint64_t now_ms);
