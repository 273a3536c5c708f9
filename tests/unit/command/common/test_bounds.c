/* SPDX-License-Identifier: MIT
 * Numbers with bounds: what is wrong with one, and how they are explained. */
#include "command/common/bounds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { UNTOUCHED = 77 };

struct settings {
    unsigned credit, delay_ms, timeout_ms, lease_ms, bytes;
    uint64_t large;
};

static const struct skep__number credit = SKEP__NUMBER(struct settings, credit, COUNT, 1, 253, 64),
                                 any = SKEP__NUMBER(struct settings, credit, COUNT, 1, UINT32_MAX, 0),
                                 delay = SKEP__NUMBER(struct settings, delay_ms, MILLISECONDS, 0, 86400000, 0),
                                 timeout =
                                     SKEP__NUMBER(struct settings, timeout_ms, MILLISECONDS, 1, UINT32_MAX, 120000),
                                 lease = SKEP__NUMBER(struct settings, lease_ms, MILLISECONDS, 100, 86400000, 500),
                                 bytes = SKEP__NUMBER(struct settings, bytes, BYTES, 1, UINT32_MAX, 8 << 20),
                                 large = SKEP__NUMBER(struct settings, large, BYTES, 1, UINT64_MAX, 1536);

static void expect(const struct skep__number *number, const char *text, uint64_t wanted) {
    uint64_t parsed = UNTOUCHED;
    assert_null(bounds_parse(number, text, &parsed));
    assert_int_equal(parsed, wanted);
}

static void refuse(const struct skep__number *number, const char *text, const char *why) {
    uint64_t parsed = UNTOUCHED;
    assert_string_equal(bounds_parse(number, text, &parsed), why);
    assert_int_equal(parsed, UNTOUCHED);
}

static void test_what_fits(void **state) {
    (void)state;
    expect(&credit, "253", 253);
    expect(&any, "4294967295", UINT32_MAX);
    expect(&delay, "0", 0);
    expect(&timeout, "2h", 7200000);
    expect(&bytes, "64K", 65536);
    expect(&large, "8G", UINT64_C(1) << 33);
}

static void test_what_does_not(void **state) {
    (void)state;
    refuse(&credit, "0", "expected a number from 1 to 253");
    refuse(&credit, "254", "expected a number from 1 to 253");
    refuse(&any, "4294967296", "expected a number from 1 on");
    refuse(&delay, "25h", "expected a time, such as 10, 0.5, 500ms or 5m, at most 24h");
    refuse(&timeout, "0", "expected a time, such as 10, 0.5, 500ms or 5m, more than 0 and at most 1193h");
    refuse(&lease, "99ms", "expected a time, such as 10, 0.5, 500ms or 5m, from 100ms to 24h");
    refuse(&bytes, "4G", "expected a number of bytes, such as 1000000, 64K, 512M or 2G, at most 4294967295");
    refuse(&large, "1k", "expected a number of bytes, such as 1000000, 64K, 512M or 2G");
}

static void explained(const struct skep__number *number, const char *words, const char *wanted) {
    char text[BOUNDS_TEXT_BYTES];
    bounds_explain(number, words, text);
    assert_string_equal(text, wanted);
}

static void test_explanations(void **state) {
    (void)state;
    explained(&credit, NULL, ", 1 to 253 (default: 64)");
    explained(&any, "no limit", " (default: no limit)");
    explained(&any, NULL, "");
    explained(&delay, "0", " (default: 0)");
    explained(&timeout, NULL, " (default: 120s)");
    explained(&lease, NULL, ", 100ms at least (default: 500ms)");
    explained(&lease, "never", ", 100ms at least (default: never)");
    explained(&bytes, NULL, " (default: 8M)");
    explained(&large, NULL, " (default: 1536)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits),
        cmocka_unit_test(test_what_does_not),
        cmocka_unit_test(test_explanations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
