/* SPDX-License-Identifier: MIT
 * Numbers of a struct: read, set, and checked at their bounds. */
#include "common/number.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct settings {
    unsigned before, credit, after;
    uint64_t large;
    unsigned lease_ms;
};

static const struct skep__number credit = SKEP__NUMBER(struct settings, credit, COUNT, 2, 253, 64),
                                 large = SKEP__NUMBER(struct settings, large, BYTES, 1, UINT64_MAX, 0),
                                 lease = SKEP__NUMBER(struct settings, lease_ms, MILLISECONDS, 100, SKEP__DAY_MS, 0);

static void test_fields_of_both_widths(void **state) {
    struct settings settings = {0};
    (void)state;
    skep__number_set(&credit, &settings, UINT32_MAX);
    skep__number_set(&large, &settings, UINT64_MAX);
    assert_int_equal(settings.before + settings.after + settings.lease_ms, 0);
    assert_int_equal(skep__number_get(&credit, &settings), UINT32_MAX);
    assert_true(skep__number_get(&large, &settings) == UINT64_MAX);
    assert_string_equal(credit.name, "credit");
}

static void accept(const struct skep__number *number, struct settings settings) {
    char why[SKEP_MAX_REASON + 1] = "as it was";
    assert_int_equal(skep__number_check(number, &settings, why), SKEP_OK);
    assert_string_equal(why, "as it was");
}

static void refuse(const struct skep__number *number, struct settings settings, const char *wanted) {
    char why[SKEP_MAX_REASON + 1] = "";
    assert_int_equal(skep__number_check(number, &settings, why), SKEP_EINVAL);
    assert_string_equal(why, wanted);
}

static void test_bounds(void **state) {
    (void)state;
    accept(&credit, (struct settings){0}); /* the default */
    accept(&credit, (struct settings){.credit = 2});
    accept(&credit, (struct settings){.credit = 253});
    refuse(&credit, (struct settings){.credit = 1}, "credit 1: at least 2");
    refuse(&credit, (struct settings){.credit = 254}, "credit 254: at most 253");
    accept(&large, (struct settings){.large = UINT64_MAX});
    accept(&lease, (struct settings){.lease_ms = UINT32_MAX}); /* beyond the greatest */
    refuse(&lease, (struct settings){.lease_ms = 99}, "lease of 99 ms: at least 100");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_both_widths),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
