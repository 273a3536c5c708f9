/* SPDX-License-Identifier: MIT
 * The token bucket: a burst at once, a rate for ever, nothing saved up beyond. */
#include "lib/pump.h"

#include "worker/bucket.h"

static void test_a_burst_is_free(void **state) {
    (void)state;
    struct skep__bucket bucket = skep__bucket_full(1000);
    skep__bucket_take(&bucket, 1000, SKEP__BUCKET_BURST - 1);
    assert_int_equal(skep__bucket_wait_ms(&bucket), 0);
    skep__bucket_take(&bucket, 1000, 1);
    assert_true(skep__bucket_wait_ms(&bucket) > 0);
}

/* Whoever waits as long as is said, and takes a lot then, has the rate in the long run. */
static void test_the_rate(void **state) {
    (void)state;
    uint64_t now_ms = 0, taken = 0;
    struct skep__bucket bucket = skep__bucket_full(now_ms);
    while (now_ms < 100000) {
        skep__bucket_take(&bucket, now_ms, 10000);
        taken += 10000;
        now_ms += skep__bucket_wait_ms(&bucket);
    }
    uint64_t rated = now_ms * SKEP__BUCKET_RATE / 1000;
    assert_true(taken >= rated * 9 / 10);
    assert_true(taken <= rated + SKEP__BUCKET_BURST + SKEP__BUCKET_LEAST);
}

static void test_nothing_is_saved_beyond_a_burst(void **state) {
    (void)state;
    struct skep__bucket bucket = skep__bucket_full(0);
    skep__bucket_take(&bucket, 0, 1);
    assert_false(skep__bucket_is_full(&bucket, 0));
    assert_true(skep__bucket_is_full(&bucket, 1));
    skep__bucket_take(&bucket, UINT64_MAX / 2, SKEP__BUCKET_BURST);
    assert_true(skep__bucket_wait_ms(&bucket) > 0);
}

static void test_debts_are_paid(void **state) {
    (void)state;
    struct skep__bucket bucket = skep__bucket_full(0);
    skep__bucket_take(&bucket, 0, SKEP__BUCKET_BURST + SKEP__BUCKET_RATE);
    uint64_t wait_ms = skep__bucket_wait_ms(&bucket);
    assert_true(wait_ms >= 1000);
    skep__bucket_take(&bucket, wait_ms / 2, 0);
    assert_true(skep__bucket_wait_ms(&bucket) >= wait_ms / 2 - 1);
    assert_false(skep__bucket_is_full(&bucket, wait_ms));
    skep__bucket_take(&bucket, wait_ms, 0);
    assert_int_equal(skep__bucket_wait_ms(&bucket), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_free),
        cmocka_unit_test(test_the_rate),
        cmocka_unit_test(test_nothing_is_saved_beyond_a_burst),
        cmocka_unit_test(test_debts_are_paid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
