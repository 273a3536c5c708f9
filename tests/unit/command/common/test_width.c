/* SPDX-License-Identifier: MIT
 * Columns of text on a terminal. */
#include "command/common/width.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define WIDE "\xe6\x9d\xb1"   /* 東 */
#define COMBINING "e\xcc\x81" /* é as two characters */
#define EMOJI "\xf0\x9f\x90\x9d"

static void test_columns(void **state) {
    (void)state;
    assert_int_equal(width_of_text(""), 0);
    assert_int_equal(width_of_text("abc"), 3);
    assert_int_equal(width_of_text("\xc3\xbc"), 1);
    assert_int_equal(width_of_text(WIDE "a" WIDE), 5);
    assert_int_equal(width_of_text(COMBINING), 1);
    assert_int_equal(width_of_text(EMOJI), 2);
    assert_int_equal(width_of_text("\xff\xc3"), 2); /* no characters */
}

static void test_a_beginning(void **state) {
    (void)state;
    assert_int_equal(width_fitting("abc", 5), 3);
    assert_int_equal(width_fitting("abc", 2), 2);
    assert_int_equal(width_fitting("abc", 0), 0);
    assert_int_equal(width_fitting(WIDE WIDE, 3), 3); /* half a character is none */
    assert_int_equal(width_fitting(COMBINING "a", 1), 3);
}

static void test_the_locale_of_the_user(void **state) {
    (void)state;
    setenv("LC_ALL", "C.UTF-8", 1);
    assert_true(width_begin());
    setenv("LC_ALL", "C", 1);
    assert_false(width_begin());
    assert_int_equal(width_of_text(WIDE), 2); /* all the same */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_a_beginning),
        cmocka_unit_test(test_the_locale_of_the_user),
    };
    width_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
