/* SPDX-License-Identifier: MIT
 * A token bucket. */
#include "worker/bucket.h"

static int64_t bytes_at(const struct skep__bucket *bucket, uint64_t now_ms) {
    const uint64_t whole_ms = UINT64_C(1000) * SKEP__BUCKET_BURST / SKEP__BUCKET_RATE;
    uint64_t passed_ms = now_ms - bucket->filled_ms;
    uint64_t short_ms = bucket->bytes < 0 ? (uint64_t)-bucket->bytes * 1000 / SKEP__BUCKET_RATE + 1 : 0;
    if (passed_ms >= short_ms + whole_ms) return SKEP__BUCKET_BURST;
    int64_t bytes = bucket->bytes + (int64_t)(passed_ms * SKEP__BUCKET_RATE / 1000);
    return bytes < SKEP__BUCKET_BURST ? bytes : SKEP__BUCKET_BURST;
}

struct skep__bucket skep__bucket_full(uint64_t now_ms) {
    return (struct skep__bucket){.bytes = SKEP__BUCKET_BURST, .filled_ms = now_ms};
}

void skep__bucket_take(struct skep__bucket *bucket, uint64_t now_ms, uint64_t bytes) {
    bucket->bytes = bytes_at(bucket, now_ms) - (int64_t)bytes;
    bucket->filled_ms = now_ms;
}

uint64_t skep__bucket_wait_ms(const struct skep__bucket *bucket) {
    if (bucket->bytes > 0) return 0;
    return (uint64_t)(SKEP__BUCKET_LEAST - bucket->bytes) * 1000 / SKEP__BUCKET_RATE + 1;
}

bool skep__bucket_is_full(const struct skep__bucket *bucket, uint64_t now_ms) {
    return bytes_at(bucket, now_ms) == SKEP__BUCKET_BURST;
}
