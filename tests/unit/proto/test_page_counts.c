/* SPDX-License-Identifier: MIT
 * Sums on a page, which may hold anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "page_counts.h"

static void put(struct skep_page *page, unsigned index, const char *name, size_t size_bytes) {
    page->counters[index].count = index + 1;
    memcpy(page->counters[index].name, name, size_bytes);
}

static void test_sums(void **state) {
    struct skep_page page = {.writes = 1, .requests = 7, .counter_count = 2};
    struct skep_page_counter counter;
    (void)state;
    put(&page, 1, "cats", 4);
    assert_int_equal(skep__page_requests(&page), 7);
    assert_int_equal(skep__page_counter_count(&page), 2);
    assert_false(skep__page_counter(&page, 0, &counter));
    assert_true(skep__page_counter(&page, 1, &counter));
    assert_string_equal(counter.name, "cats");
    assert_int_equal(counter.count, 2);
}

static void test_not_kept(void **state) {
    struct skep_page page = {.writes = 0, .requests = 7, .counter_count = 2};
    (void)state;
    assert_int_equal(skep__page_requests(&page), 0);
    assert_int_equal(skep__page_counter_count(&page), 0);
    page.writes = 3;
    assert_int_equal(skep__page_requests(&page), 0);
    assert_int_equal(skep__page_requests(NULL), 0);
    assert_int_equal(skep__page_counter_count(NULL), 0);
}

static void test_too_many(void **state) {
    struct skep_page page = {.writes = 1, .counter_count = SKEP_MAX_COUNTERS};
    (void)state;
    assert_int_equal(skep__page_counter_count(&page), SKEP_MAX_COUNTERS);
    page.counter_count++;
    assert_int_equal(skep__page_counter_count(&page), SKEP_MAX_COUNTERS);
    page.counter_count = UINT64_C(1) << 32;
    assert_int_equal(skep__page_counter_count(&page), SKEP_MAX_COUNTERS);
}

/* One of the longest, one too long, and one without an end; the last of them ends with the page's struct. */
static void test_names(void **state) {
    static const unsigned last = SKEP_MAX_COUNTERS - 1;
    struct skep_page page = {.writes = 1, .counter_count = SKEP_MAX_COUNTERS};
    struct skep_page_counter counter;
    char name[sizeof counter.name];
    (void)state;
    memset(name, 'n', sizeof name);
    put(&page, 0, name, SKEP_MAX_NAME);
    put(&page, 1, name, SKEP_MAX_NAME + 1);
    put(&page, last, name, sizeof name);
    assert_true(skep__page_counter(&page, 0, &counter));
    assert_int_equal(strlen(counter.name), SKEP_MAX_NAME);
    assert_false(skep__page_counter(&page, 1, &counter));
    assert_false(skep__page_counter(&page, last, &counter));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_not_kept),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
