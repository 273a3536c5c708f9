/* SPDX-License-Identifier: MIT
 * Memory that is set aside: had, given up, had again; and who may have what is left. */
#include "base/reserve.h"
#include "lib/pump.h"
#include "scarce.h"

enum { SPARE_BYTES = 1024 * 1024, UNCHECKED_BYTES = SPARE_BYTES / 4 };

static size_t most_bytes; /* of one allocation */

static bool has_most(size_t size_bytes) {
    return size_bytes <= most_bytes;
}

static void run_out(size_t bytes) {
    most_bytes = bytes;
    scarce_has = has_most;
}

static int plenty(void **state) {
    (void)state;
    scarce_has = NULL;
    return 0;
}

static void test_is_had_once(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    assert_true(skep__reserve_take(&reserve));
    const void *block = reserve.block;
    assert_non_null(block);
    assert_true(skep__reserve_take(&reserve));
    assert_ptr_equal(reserve.block, block);
    assert_true(skep__reserve_give_up(&reserve));
    assert_false(skep__reserve_give_up(&reserve));
    assert_null(reserve.block);
}

static void test_is_not_had_without_memory(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    run_out(SKEP__RESERVE_BYTES - 1);
    assert_false(skep__reserve_take(&reserve));
    assert_null(reserve.block);
    scarce_has = NULL;
    assert_true(skep__reserve_take(&reserve));
    skep__reserve_give_up(&reserve);
}

static unsigned allocations;

static bool has_the_block_only(size_t size_bytes) {
    return size_bytes == SKEP__RESERVE_BYTES && ++allocations == 1;
}

/* Else nothing could be done without giving it up again. */
static void test_is_not_had_if_nothing_else_is_left(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    allocations = 0;
    scarce_has = has_the_block_only;
    assert_false(skep__reserve_take(&reserve));
    assert_int_equal(allocations, 1);
    assert_null(reserve.block);
}

static void test_nothing_is_allowed_while_it_is_missing(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    assert_false(skep__reserve_allows(&reserve, 1));
    assert_true(skep__reserve_take(&reserve));
    assert_true(skep__reserve_allows(&reserve, 1));
    skep__reserve_give_up(&reserve);
    assert_false(skep__reserve_allows(&reserve, 1));
}

/* It is not looked for each of many little ones, and in time all the same. */
static void test_is_given_up_when_little_is_left(void **state) {
    struct skep__reserve reserve = {0};
    uint64_t allowed_bytes = 0;
    (void)state;
    assert_true(skep__reserve_take(&reserve));
    run_out(SPARE_BYTES - 1);
    while (skep__reserve_allows(&reserve, 200)) allowed_bytes += 200;
    assert_in_range(allowed_bytes, UNCHECKED_BYTES / 2, UNCHECKED_BYTES);
    assert_null(reserve.block);
}

static void test_stays_while_enough_is_left(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    assert_true(skep__reserve_take(&reserve));
    run_out(SPARE_BYTES + 200);
    for (unsigned i = 0; i < 10 * UNCHECKED_BYTES / 200; i++) assert_true(skep__reserve_allows(&reserve, 200));
    skep__reserve_give_up(&reserve);
}

/* What is taken now is no longer there for others. */
static void test_a_large_one_is_added_to_what_must_be_left(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    assert_true(skep__reserve_take(&reserve));
    run_out(2 * SPARE_BYTES - 1);
    assert_false(skep__reserve_allows(&reserve, SPARE_BYTES));
    assert_null(reserve.block);
}

static void test_is_given_up_when_asked_to_look(void **state) {
    struct skep__reserve reserve = {0};
    (void)state;
    assert_true(skep__reserve_take(&reserve));
    run_out(SPARE_BYTES);
    assert_true(skep__reserve_check(&reserve));
    run_out(SPARE_BYTES - 1);
    assert_false(skep__reserve_check(&reserve));
    assert_null(reserve.block);
    scarce_has = NULL;
    assert_false(skep__reserve_check(&reserve)); /* it is had again by taking it only */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_is_had_once, plenty),
        cmocka_unit_test_teardown(test_is_not_had_without_memory, plenty),
        cmocka_unit_test_teardown(test_is_not_had_if_nothing_else_is_left, plenty),
        cmocka_unit_test_teardown(test_nothing_is_allowed_while_it_is_missing, plenty),
        cmocka_unit_test_teardown(test_is_given_up_when_little_is_left, plenty),
        cmocka_unit_test_teardown(test_stays_while_enough_is_left, plenty),
        cmocka_unit_test_teardown(test_a_large_one_is_added_to_what_must_be_left, plenty),
        cmocka_unit_test_teardown(test_is_given_up_when_asked_to_look, plenty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
