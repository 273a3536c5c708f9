/* SPDX-License-Identifier: MIT
 * Values of options: times and sizes, with and without a unit. */
#include "command/common/values.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { UNTOUCHED = 77 };

#define DAY_MS UINT64_C(86400000)

static void assert_time(const char *text, unsigned wanted_ms) {
    uint64_t ms = UNTOUCHED;
    assert_true(parse_time(text, 1, DAY_MS, &ms));
    assert_int_equal(ms, wanted_ms);
}

static void test_times(void **state) {
    (void)state;
    assert_time("10", 10000);
    assert_time("0.5", 500);
    assert_time(".5s", 500);
    assert_time("30s", 30000);
    assert_time("250ms", 250);
    assert_time("1.5m", 90000);
    assert_time("24h", 86400000);
    assert_time("86400", 86400000);
    assert_time("0.0001", 1); /* it is not nothing */
    assert_time("0.2ms", 1);
}

static void test_no_times(void **state) {
    static const char *const wrong[] = {"",  "0",     "0ms", "-1",  "+1",    " 1",  "1 s",
                                        "s", "ms",    "1d",  "1S",  "1sec",  "1e3", "0x10",
                                        ".", "1.2.3", "nan", "inf", "86401", "25h", "1s1ms"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t ms = UNTOUCHED;
        if (parse_time(wrong[i], 1, DAY_MS, &ms)) fail_msg("%s is a time", wrong[i]);
        assert_int_equal(ms, UNTOUCHED);
    }
}

static void test_bounds_of_times(void **state) {
    uint64_t ms = UNTOUCHED;
    (void)state;
    assert_false(parse_time("99ms", 100, DAY_MS, &ms));
    assert_true(parse_time("100ms", 100, DAY_MS, &ms));
    assert_int_equal(ms, 100);
    assert_true(parse_time("0", 0, DAY_MS, &ms));
    assert_int_equal(ms, 0);
    assert_true(parse_time("4294967295ms", 1, UINT32_MAX, &ms));
    assert_int_equal(ms, UINT32_MAX);
    assert_false(parse_time("4294967296ms", 1, UINT32_MAX, &ms));
    assert_false(parse_time("1e99", 1, UINT32_MAX, &ms));
}

static void test_sizes(void **state) {
    static const char *const wrong[] = {"", "0", "0K", "-1", "+1", " 1", "1 K", "K", "1k", "1KB", "1.5M", "1T", "0x1"};
    uint64_t size_bytes = UNTOUCHED;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (parse_size(wrong[i], UINT64_MAX, &size_bytes)) fail_msg("%s is a size", wrong[i]);
    assert_int_equal(size_bytes, UNTOUCHED);
    assert_true(parse_size("1000000", UINT64_MAX, &size_bytes));
    assert_int_equal(size_bytes, 1000000);
    assert_true(parse_size("64K", UINT64_MAX, &size_bytes));
    assert_int_equal(size_bytes, 65536);
    assert_true(parse_size("17179869183G", UINT64_MAX, &size_bytes));
    assert_false(parse_size("17179869184G", UINT64_MAX, &size_bytes));
    assert_false(parse_size("4G", UINT32_MAX, &size_bytes));
    assert_true(parse_size("3G", UINT32_MAX, &size_bytes));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
        cmocka_unit_test(test_bounds_of_times),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
