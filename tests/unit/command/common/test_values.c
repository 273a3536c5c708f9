/* SPDX-License-Identifier: MIT
 * Values of options: times, with and without a unit. */
#include "command/common/values.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { UNTOUCHED = 77 };

static void assert_time(const char *text, unsigned wanted_ms) {
    unsigned ms = UNTOUCHED;
    assert_null(parse_time(text, &ms));
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
        unsigned ms = UNTOUCHED;
        const char *why = parse_time(wrong[i], &ms);
        if (why == NULL) fail_msg("%s is a time", wrong[i]);
        assert_string_equal(why, "expected a time, such as 10, 0.5, 500ms or 5m, more than 0 and at most 24h");
        assert_int_equal(ms, UNTOUCHED);
    }
}

static void test_bounds(void **state) {
    unsigned ms = UNTOUCHED;
    (void)state;
    assert_non_null(parse_period("99ms", &ms));
    assert_null(parse_period("100ms", &ms));
    assert_int_equal(ms, 100);
    assert_null(parse_delay("0", &ms));
    assert_int_equal(ms, 0);
    assert_non_null(parse_ttl("0", &ms));
    assert_null(parse_ttl("4000000", &ms));
    assert_int_equal(ms, UINT32_C(4000000000));
    assert_non_null(parse_delay("4000001", &ms));
    assert_false(parse_duration("9s", 10000, 60, &ms));
    assert_false(parse_duration("61s", 10000, 60, &ms));
    assert_true(parse_duration("1m", 10000, 60, &ms));
    assert_int_equal(ms, 60000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
