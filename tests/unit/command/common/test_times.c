/* SPDX-License-Identifier: MIT
 * Handling times as they are shown: quantiles of packed histograms, and durations in words. */
#include "command/common/times.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_text(uint64_t duration_ns, const char *wanted) {
    char text[DURATION_BYTES];
    duration_text(duration_ns, text);
    assert_string_equal(text, wanted);
}

static void test_durations(void **state) {
    (void)state;
    assert_text(0, "0 ns");
    assert_text(850, "850 ns");
    assert_text(1000, "1 us");
    assert_text(85499, "85.5 us");
    assert_text(999400, "999 us");
    assert_text(999600, "1 ms");
    assert_text(1200000, "1.2 ms");
    assert_text(999499999, "999 ms");
    assert_text(999500000, "1 s");
    assert_text(10500000000, "10.5 s");
    assert_text(3600000000000, "3600 s");
    assert_text(UINT64_MAX / 2, "9223372037 s");
}

static void test_cells(void **state) {
    char cell[CELL_BYTES] = "before";
    (void)state;
    write_duration(NULL, cell);
    assert_string_equal(cell, "");
    json_t *ms = json_real(1.25);
    write_duration(ms, cell);
    assert_string_equal(cell, "1.25 ms");
    json_decref(ms);
}

/* 451: 100 us, 98 times; 2158: 1 s, twice. */
static void test_quantiles(void **state) {
    struct times times;
    (void)state;
    assert_int_equal(times_read((struct skep_bytes){"\xc3\x03\x62\xaa\x0d\x02", 6}, &times), SKEP_OK);
    assert_int_equal(times.count, 100);
    assert_in_range(times.p50_ns, 100000, 101000);
    assert_in_range(times.p90_ns, 100000, 101000);
    assert_in_range(times.p99_ns, 1000000000, 1010000000);
    assert_int_equal(times.max_ns, times.p99_ns);
    json_t *json = times_json(&times);
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 100);
    assert_true(json_real_value(json_object_get(json, "p50_ms")) == (double)times.p50_ns / 1e6);
    assert_true(json_real_value(json_object_get(json, "p99_ms")) == (double)times.p99_ns / 1e6);
    assert_int_equal(json_object_size(json), 5);
    json_decref(json);
}

static void test_nothing(void **state) {
    struct times times;
    (void)state;
    assert_int_equal(times_read((struct skep_bytes){"", 0}, &times), SKEP_OK);
    json_t *json = times_json(&times);
    assert_int_equal(json_object_size(json), 1);
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 0);
    json_decref(json);
}

static void test_what_is_no_histogram(void **state) {
    struct times times = {.count = 7};
    (void)state;
    assert_int_equal(times_read((struct skep_bytes){"\x80", 1}, &times), SKEP_EPROTO);
    assert_int_equal(times.count, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_what_is_no_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
