/* SPDX-License-Identifier: MIT
 * Scanning of MessagePack: what is complete, what is not, and where the limits are. */
#include "proto/sample.h"

/* Scans a copy that ends where the bytes end. */
static bool scan(const void *data, size_t size_bytes) {
    uint8_t *copy = sample_copy(data, size_bytes);
    bool good = skep__scan(copy, size_bytes);
    free(copy);
    return good;
}

/* The bytes of a string literal, zeroes too */
#define SCAN(literal) scan(literal, sizeof(literal) - 1)

/* {"k": VALUE} with the value's bytes given */
#define WITH(value) SCAN("\x81\xa1k" value)

static void test_maps_only(void **state) {
    (void)state;
    assert_true(SCAN("\x80"));
    assert_true(SCAN("\xde\x00\x00"));
    assert_true(SCAN("\xdf\x00\x00\x00\x00"));
    assert_true(SCAN("\x80\x80\x81\x01\x02"));
    assert_false(SCAN(""));
    assert_false(SCAN("\xc0"));
    assert_false(SCAN("\x90"));
    assert_false(SCAN("\xa3"
                      "cmd"));
    assert_false(SCAN("\x80\xc0"));
    assert_false(SCAN("\x80\x01\x80"));
}

static void test_scalars(void **state) {
    (void)state;
    assert_true(WITH("\x00") && WITH("\x7f") && WITH("\xe0") && WITH("\xff"));
    assert_true(WITH("\xc0") && WITH("\xc2") && WITH("\xc3"));
    assert_true(WITH("\xca"
                     "1234") &&
                WITH("\xcb"
                     "12345678"));
    assert_true(WITH("\xcc"
                     "1") &&
                WITH("\xcd"
                     "12") &&
                WITH("\xce"
                     "1234") &&
                WITH("\xcf"
                     "12345678"));
    assert_true(WITH("\xd0"
                     "1") &&
                WITH("\xd1"
                     "12") &&
                WITH("\xd2"
                     "1234") &&
                WITH("\xd3"
                     "12345678"));
    assert_false(WITH("\xc1"));
}

static void test_sized(void **state) {
    (void)state;
    assert_true(WITH("\xa0") && WITH("\xa2"
                                     "ab"));
    assert_true(WITH("\xd9\x00") &&
                WITH("\xd9\x02"
                     "ab") &&
                WITH("\xda\x00\x02"
                     "ab") &&
                WITH("\xdb\x00\x00\x00\x02"
                     "ab"));
    assert_true(WITH("\xc4\x00") &&
                WITH("\xc4\x02"
                     "ab") &&
                WITH("\xc5\x00\x02"
                     "ab") &&
                WITH("\xc6\x00\x00\x00\x02"
                     "ab"));
    assert_true(WITH("\xc7\x02t"
                     "ab") &&
                WITH("\xc8\x00\x02t"
                     "ab") &&
                WITH("\xc9\x00\x00\x00\x02t"
                     "ab"));
    assert_true(WITH("\xc7\x00t"));
    assert_true(WITH("\xd4t"
                     "1") &&
                WITH("\xd5t"
                     "12") &&
                WITH("\xd6t"
                     "1234") &&
                WITH("\xd7t"
                     "12345678"));
    assert_true(WITH("\xd8t"
                     "1234567890123456"));
}

static void test_sizes_that_lie(void **state) {
    (void)state;
    assert_false(WITH("\xa3"
                      "ab"));
    assert_false(WITH("\xd9\x03"
                      "ab"));
    assert_false(WITH("\xc6\xff\xff\xff\xff"
                      "ab"));
    assert_false(WITH("\xdb\x7f\xff\xff\xff"
                      "ab"));
    assert_false(WITH("\xc9\xff\xff\xff\xff"
                      "ab"));
    assert_false(WITH("\xc7\x02t"
                      "a"));
    assert_false(WITH("\xd8t"
                      "123456789012345"));
}

static void test_count_bombs(void **state) {
    (void)state;
    assert_false(SCAN("\xdd\x05\x00\x00\x00"));
    assert_false(WITH("\xdd\x05\x00\x00\x00"));
    assert_false(WITH("\xdd\xff\xff\xff\xff"));
    assert_false(WITH("\xdc\xff\xff"));
    assert_false(SCAN("\xdf\xff\xff\xff\xff"));
    assert_false(SCAN("\xdf\x80\x00\x00\x00"));
    assert_false(SCAN("\xde\xff\xff\x01\x02"));
    assert_false(WITH("\x92\x01"));
    assert_false(WITH("\x82\x01\x02\x03"));
}

/* A map that holds arrays within arrays: in all so many containers, a scalar inside the last. */
static bool scan_nested(unsigned containers, const char *innermost) {
    char data[64] = "\x81\x01";
    size_t size_bytes = 2;
    for (unsigned i = 1; i < containers; i++) data[size_bytes++] = '\x91';
    data[size_bytes++] = innermost[0];
    return scan(data, size_bytes);
}

static void test_depth(void **state) {
    (void)state;
    assert_true(scan_nested(1, "\x01"));
    assert_true(scan_nested(SKEP_MAX_DEPTH - 1, "\x90"));
    assert_true(scan_nested(SKEP_MAX_DEPTH, "\x01"));
    assert_false(scan_nested(SKEP_MAX_DEPTH, "\x90"));
    assert_false(scan_nested(SKEP_MAX_DEPTH, "\x80"));
    assert_false(scan_nested(SKEP_MAX_DEPTH + 1, "\x01"));
    assert_false(scan_nested(40, "\x01"));
}

/* {1: [nil, nil, …]}; so many values in all, two of them in the map itself */
static bool scan_values(uint32_t values, unsigned commands) {
    uint32_t count = values - 2;
    size_t each_bytes = 7 + (size_t)count;
    uint8_t *data = sample_copy("", 0);
    data = realloc(data, each_bytes * commands);
    assert_non_null(data);
    for (unsigned i = 0; i < commands; i++) {
        uint8_t *at = data + i * each_bytes;
        const uint8_t head[7] = {
            0x81, 0x01, 0xdd, (uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count};
        memcpy(at, head, sizeof head);
        memset(at + sizeof head, 0xc0, count);
    }
    bool good = skep__scan(data, each_bytes * commands);
    free(data);
    return good;
}

static void test_values_in_one_command(void **state) {
    (void)state;
    assert_true(scan_values(4352, 1));
    assert_false(scan_values(4353, 1));
    assert_false(scan_values(SKEP_MAX_FRAME - 16, 1));
    assert_true(scan_values(4352, 100)); /* the limit is of one command, not of the frame */
}

static void test_truncated_at_every_byte(void **state) {
    (void)state;
    static const char whole[] = "\x86\xa3"
                                "cmd\xa1x\x01\xcf"
                                "12345678\x02\xc4\x03"
                                "abc\x03\xc7\x02t"
                                "ab\x04\x92\x01\xda\x00\x02"
                                "xy"
                                "\x05\xdf\x00\x00\x00\x01\x01\xcb"
                                "12345678";
    size_t size_bytes = sizeof whole - 1;
    assert_true(scan(whole, size_bytes));
    for (size_t i = 0; i < size_bytes; i++) assert_false(scan(whole, i));
}

static bool scan_value(const char *data, size_t size_bytes) {
    return skep__scan_value(data, size_bytes, 2);
}
#define VALUE(literal) scan_value(literal, sizeof(literal) - 1)

static void test_one_value(void **state) {
    (void)state;
    assert_true(VALUE("\x07") && VALUE("\xa1x") && VALUE("\x92\x01\x91\x02") && VALUE("\x81\x01\x80"));
    assert_false(scan_value("", 0));
    assert_false(VALUE("\x07\x07"));         /* two */
    assert_false(VALUE("\x92\x01"));         /* a half */
    assert_false(VALUE("\x91\x91\x91\x01")); /* too deep */
    assert_false(VALUE("\xdd\xff\xff\xff\xff"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_only),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_sized),
        cmocka_unit_test(test_sizes_that_lie),
        cmocka_unit_test(test_count_bombs),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_values_in_one_command),
        cmocka_unit_test(test_truncated_at_every_byte),
        cmocka_unit_test(test_one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
