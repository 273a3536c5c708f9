/* SPDX-License-Identifier: MIT
 * Messages when there is no memory: those that would have to wait are refused, those to workers that read are not. */
#include "broker/ledger_bench.h"
#include "broker/shortage.h"

#include "journal/private.h"

enum { BACKLOG_BYTES = 20000 };

static void test_a_message_that_would_wait_is_refused(void **state) {
    static const char data[BACKLOG_BYTES];
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *idle = bench_hire(&bench, 0, 0), *reads = bench_hire(&bench, 1, 0);
    for (unsigned i = 0; i < 2; i++) /* the first is under way at once */
        assert_int_equal(skep_child_send(idle, "m", data, sizeof data), SKEP_OK);
    shortage_begin(bench.cluster);
    skep__memory_check(bench.cluster);
    assert_int_equal(skep_child_send(idle, "m", "x", 1), SKEP_ENOMEM);
    assert_int_equal(skep_child_send(reads, "m", "x", 1), SKEP_OK);
    assert_int_equal(skep_cluster_broadcast(bench.cluster, "m", "x", 1), SKEP_ENOMEM);
    shortage_end();
    PUMP_UNTIL(bench.pump, bench.cluster->memory.block != NULL);
    assert_int_equal(skep_child_send(idle, "m", "x", 1), SKEP_OK);
    assert_int_equal(skep_cluster_broadcast(bench.cluster, "m", "x", 1), SKEP_OK);
    bench_dismiss(idle);
    bench_dismiss(reads);
    bench_close(&bench);
}

static unsigned left;

static bool has_a_few(size_t size_bytes) {
    (void)size_bytes;
    return left > 0 && left-- > 0;
}

static void replied(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    unsigned *replies = context;
    (void)cluster, (void)data, (void)size_bytes;
    assert_int_equal(status, SKEP_ECLOSED);
    (*replies)++;
}

/* At any step of it; who asked is not called back then. */
static void test_a_request_runs_out_of_memory(void **state) {
    struct bench bench;
    unsigned replies = 0;
    int status = SKEP_ENOMEM;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, 0);
    for (unsigned steps = 0; status == SKEP_ENOMEM; steps++) {
        assert_true(steps < 100);
        left = steps;
        scarce_has = has_a_few;
        status = skep_child_request(child, "m", "x", 1, 1000, replied, &replies);
        scarce_has = NULL;
        assert_int_equal(HASH_COUNT(bench.cluster->messages->calls), status == SKEP_OK);
    }
    assert_int_equal(status, SKEP_OK);
    bench_dismiss(child);
    bench_close(&bench);
    assert_int_equal(replies, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHORTAGE_TEST(test_a_message_that_would_wait_is_refused),
        SHORTAGE_TEST(test_a_request_runs_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
