/* SPDX-License-Identifier: MIT
 * Histograms of durations: how exact they are, merged, packed, and what a peer may send instead. */
#include <histogram.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"

#include <cmocka.h>

#define HOUR_NS UINT64_C(3600000000000)

static void record(struct skep_histogram *histogram, uint64_t value_ns) {
    assert_int_equal(skep__histogram_record(histogram, value_ns), SKEP_OK);
}

/* A fixed sequence: a failure can be repeated. */
static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Durations of every size from 0 to some hours, about as many of each */
static uint64_t random_duration_ns(uint64_t *seed) {
    unsigned bits = (unsigned)(next_random(seed) % 43);
    return (next_random(seed) << 12 ^ next_random(seed)) & ((UINT64_C(1) << bits) - 1);
}

static uint64_t only_value(uint64_t value_ns) {
    struct skep_histogram histogram = {0};
    record(&histogram, value_ns);
    uint64_t shown_ns = skep__histogram_quantile_ns(&histogram, 1);
    assert_int_equal(skep__histogram_quantile_ns(&histogram, 0), shown_ns);
    skep__histogram_free(&histogram);
    return shown_ns;
}

/* Never less than it was; more by 1 % or the lowest cells' width. */
static void assert_near(uint64_t shown_ns, uint64_t value_ns) {
    assert_true(shown_ns >= value_ns);
    assert_true(shown_ns - value_ns < 128 || (double)(shown_ns - value_ns) < (double)value_ns * 0.01);
}

static void test_error_at_edges(void **state) {
    (void)state;
    for (unsigned bits = 0; bits < 42; bits++) {
        uint64_t edge_ns = UINT64_C(1) << bits;
        if (edge_ns >= HOUR_NS) break;
        assert_near(only_value(edge_ns - 1), edge_ns - 1);
        assert_near(only_value(edge_ns), edge_ns);
        assert_near(only_value(edge_ns + 1), edge_ns + 1);
    }
    assert_int_equal(only_value(0), 127);
    assert_int_equal(only_value(128), 255);
}

static void test_longer_than_an_hour(void **state) {
    (void)state;
    assert_int_equal(only_value(HOUR_NS), HOUR_NS);
    assert_int_equal(only_value(HOUR_NS + 1), HOUR_NS);
    assert_int_equal(only_value(UINT64_MAX), HOUR_NS);
}

static void test_empty(void **state) {
    (void)state;
    struct skep_histogram histogram = {0};
    size_t size_bytes = 7;
    assert_int_equal(skep__histogram_quantile_ns(&histogram, 0.5), 0);
    assert_int_equal(skep__histogram_pack(&histogram, NULL, 0, &size_bytes), SKEP_OK);
    assert_int_equal(size_bytes, 0);
    assert_int_equal(skep__histogram_unpack(&histogram, NULL, 0), SKEP_OK);
    assert_int_equal(histogram.total, 0);
    skep__histogram_clear(&histogram);
    skep__histogram_free(&histogram);
}

static void test_grows_as_needed(void **state) {
    (void)state;
    struct skep_histogram histogram = {0};
    record(&histogram, 1000);
    uint32_t cells = histogram.cells;
    assert_true(cells > 0 && cells <= 128);
    record(&histogram, HOUR_NS);
    assert_true(histogram.cells > cells && histogram.cells <= 3712);
    skep__histogram_free(&histogram);
    assert_int_equal(histogram.cells, 0);
}

static int compare(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

enum { MANY = 10007 };

static void test_quantiles_of_random_values(void **state) {
    (void)state;
    static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    static uint64_t values_ns[MANY];
    struct skep_histogram histogram = {0};
    uint64_t seed = 4;
    for (unsigned i = 0; i < MANY; i++) {
        do values_ns[i] = random_duration_ns(&seed);
        while (values_ns[i] > HOUR_NS);
        record(&histogram, values_ns[i]);
    }
    qsort(values_ns, MANY, sizeof *values_ns, compare);
    for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++) {
        double count = shares[i] * (double)MANY;
        size_t rank = (size_t)count;
        if ((double)rank < count) rank++;
        assert_near(skep__histogram_quantile_ns(&histogram, shares[i]), values_ns[rank - 1]);
    }
    skep__histogram_free(&histogram);
}

static void assert_same(const struct skep_histogram *a, const struct skep_histogram *b) {
    assert_int_equal(a->total, b->total);
    uint32_t cells = a->cells > b->cells ? a->cells : b->cells;
    for (uint32_t i = 0; i < cells; i++)
        assert_int_equal(i < a->cells ? a->counts[i] : 0, i < b->cells ? b->counts[i] : 0);
}

static void test_merged_is_all_recorded(void **state) {
    (void)state;
    struct skep_histogram parts[3] = {0}, merged = {0}, all = {0};
    uint64_t seed = 1;
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t value_ns = random_duration_ns(&seed) >> (i % 3) * 10;
        record(&parts[i % 3], value_ns);
        record(&all, value_ns);
    }
    for (unsigned i = 0; i < 3; i++) assert_int_equal(skep__histogram_add(&merged, &parts[2 - i]), SKEP_OK);
    assert_same(&merged, &all);
    skep__histogram_subtract(&all, &parts[1]);
    skep__histogram_subtract(&all, &parts[0]);
    assert_same(&all, &parts[2]);
    for (unsigned i = 0; i < 3; i++) skep__histogram_free(&parts[i]);
    skep__histogram_free(&merged);
    skep__histogram_free(&all);
}

static void test_subtract_of_another_process(void **state) {
    (void)state;
    struct skep_histogram now = {0}, earlier = {0};
    record(&now, 1000);
    record(&now, 2000);
    record(&earlier, 2000);
    record(&earlier, 2000);
    record(&earlier, HOUR_NS);
    skep__histogram_subtract(&now, &earlier);
    assert_int_equal(now.total, 1);
    assert_near(skep__histogram_quantile_ns(&now, 1), 1000);
    skep__histogram_free(&now);
    skep__histogram_free(&earlier);
}

static void test_cleared_keeps_memory(void **state) {
    (void)state;
    struct skep_histogram histogram = {0};
    record(&histogram, 1000000);
    uint32_t cells = histogram.cells;
    skep__histogram_clear(&histogram);
    assert_int_equal(histogram.cells, cells);
    assert_int_equal(skep__histogram_quantile_ns(&histogram, 1), 0);
    record(&histogram, 10);
    assert_int_equal(skep__histogram_quantile_ns(&histogram, 1), 127);
    skep__histogram_free(&histogram);
}

/* The example of docs/protocol.md: 100 us, 100 us and 1 s */
static void test_packed_by_bytes(void **state) {
    (void)state;
    static const char wanted[] = "\xc3\x03\x02\xaa\x0d\x01";
    struct skep_histogram histogram = {0};
    char packed[16];
    size_t size_bytes = 0;
    record(&histogram, 100000);
    record(&histogram, 100000);
    record(&histogram, 1000000000);
    assert_int_equal(skep__histogram_pack(&histogram, packed, sizeof packed, &size_bytes), SKEP_OK);
    assert_int_equal(size_bytes, sizeof wanted - 1);
    assert_memory_equal(packed, wanted, size_bytes);
    skep__histogram_free(&histogram);
}

static void test_pack_and_unpack(void **state) {
    (void)state;
    static char packed[SKEP_MAX_TIMES];
    struct skep_histogram histogram = {0}, read = {0};
    size_t size_bytes = 0;
    uint64_t seed = 9;
    for (unsigned i = 0; i < MANY; i++) record(&histogram, random_duration_ns(&seed));
    assert_int_equal(skep__histogram_pack(&histogram, packed, sizeof packed, &size_bytes), SKEP_OK);
    assert_int_equal(skep__histogram_unpack(&read, packed, size_bytes), SKEP_OK);
    assert_same(&read, &histogram);
    assert_int_equal(skep__histogram_unpack(&read, packed, size_bytes), SKEP_OK);
    assert_int_equal(read.total, 2 * histogram.total);
    skep__histogram_free(&histogram);
    skep__histogram_free(&read);
}

static void test_pack_without_room(void **state) {
    (void)state;
    struct skep_histogram histogram = {0};
    char packed[4];
    size_t size_bytes = 77;
    record(&histogram, 1000000);
    for (unsigned i = 0; i < 300; i++) record(&histogram, 0);
    for (size_t room = 0; room < 4; room++)
        assert_int_equal(skep__histogram_pack(&histogram, packed, room, &size_bytes), SKEP_ETOOBIG);
    assert_int_equal(size_bytes, 77);
    skep__histogram_free(&histogram);
}

/* Unpacks a copy that ends where the bytes end, into a histogram that is not empty. */
static int unpack(const void *data, size_t size_bytes, uint64_t *total) {
    struct skep_histogram histogram = {0};
    char *copy = malloc(size_bytes);
    assert_non_null(copy);
    memcpy(copy, data, size_bytes);
    record(&histogram, 5000);
    uint32_t cells = histogram.cells;
    int status = skep__histogram_unpack(&histogram, copy, size_bytes);
    if (status != SKEP_OK) assert_int_equal(histogram.cells, cells);
    *total = histogram.total - 1;
    skep__histogram_free(&histogram);
    free(copy);
    return status;
}

/* The total of what the bytes of a literal hold; nothing is added by what is refused. */
static uint64_t total_of(const void *data, size_t size_bytes) {
    uint64_t total;
    assert_int_equal(unpack(data, size_bytes, &total), SKEP_OK);
    return total;
}

static bool is_refused(const void *data, size_t size_bytes) {
    uint64_t total;
    int status = unpack(data, size_bytes, &total);
    if (status != SKEP_OK) assert_int_equal(total, 0);
    return status == SKEP_EPROTO;
}

#define TOTAL(literal) total_of(literal, sizeof(literal) - 1)
#define REFUSED(literal) is_refused(literal, sizeof(literal) - 1)
#define MAX_BUT_ONE "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* 2^64 - 2 */

static void test_what_may_be_sent(void **state) {
    (void)state;
    assert_int_equal(TOTAL("\x00\x01"), 1);
    assert_int_equal(TOTAL("\x00\x00"), 0);
    assert_int_equal(TOTAL("\x00\x01\x00\x02"), 3);
    assert_int_equal(TOTAL("\x80\x00\x81\x80\x00"), 1); /* longer than needed */
    assert_int_equal(TOTAL("\xd1\x1c\x01"), 1);         /* the last cell, 3665 */
    assert_int_equal(TOTAL("\x00" MAX_BUT_ONE), UINT64_MAX - 1);
}

static void test_malformed(void **state) {
    (void)state;
    assert_true(REFUSED("\x00"));
    assert_true(REFUSED("\x80"));
    assert_true(REFUSED("\x00\x80"));
    assert_true(REFUSED("\x00\x01\x00"));
    assert_true(REFUSED("\xd2\x1c\x01"));         /* the cell after the last */
    assert_true(REFUSED("\xd1\x1c\x01\x00\x01")); /* the same, by distance */
    assert_true(REFUSED("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"));
    assert_true(REFUSED("\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));     /* 2^65 */
    assert_true(REFUSED("\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")); /* 11 bytes */
    assert_true(REFUSED("\x00" MAX_BUT_ONE "\x00\x01\x00\x01"));              /* the sum is 2^64 */
    assert_true(REFUSED("\x00" MAX_BUT_ONE "\x00" MAX_BUT_ONE));
}

/* The total stays the sum of all, so that whoever unpacks what is packed of it is not lied to. */
static void test_full(void **state) {
    (void)state;
    struct skep_histogram histogram = {0};
    char packed[64];
    size_t size_bytes;
    record(&histogram, 0);
    assert_int_equal(skep__histogram_unpack(&histogram, "\x00" MAX_BUT_ONE, 11), SKEP_OK);
    assert_int_equal(skep__histogram_unpack(&histogram, "\x05" MAX_BUT_ONE, 11), SKEP_OK);
    record(&histogram, 900);
    assert_int_equal(histogram.total, UINT64_MAX);
    assert_int_equal(skep__histogram_pack(&histogram, packed, sizeof packed, &size_bytes), SKEP_OK);
    assert_true(!is_refused(packed, size_bytes));
    assert_int_equal(skep__histogram_quantile_ns(&histogram, 0.5), 127);
    skep__histogram_free(&histogram);
}

static void test_random_bytes(void **state) {
    (void)state;
    uint64_t seed = 3, total;
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t data[24];
        size_t size_bytes = 1 + next_random(&seed) % sizeof data;
        for (size_t i = 0; i < size_bytes; i++) data[i] = (uint8_t)next_random(&seed);
        int status = unpack(data, size_bytes, &total);
        assert_true(status == SKEP_EPROTO ? total == 0 : status == SKEP_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_at_edges),
        cmocka_unit_test(test_longer_than_an_hour),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_grows_as_needed),
        cmocka_unit_test(test_quantiles_of_random_values),
        cmocka_unit_test(test_merged_is_all_recorded),
        cmocka_unit_test(test_subtract_of_another_process),
        cmocka_unit_test(test_cleared_keeps_memory),
        cmocka_unit_test(test_packed_by_bytes),
        cmocka_unit_test(test_pack_and_unpack),
        cmocka_unit_test(test_pack_without_room),
        cmocka_unit_test(test_what_may_be_sent),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
