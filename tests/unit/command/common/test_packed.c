/* SPDX-License-Identifier: MIT
 * What is printed of a reply: MessagePack as JSON, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* the four above come before */
#include <cmocka.h>

#include "command/common/packed.h"

#define UNPACK(literal) unpack_json((struct skep_bytes){literal, sizeof(literal) - 1})

static void assert_text(json_t *value, const char *expected) {
    assert_non_null(value);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static void test_scalars(void **state) {
    (void)state;
    assert_text(UNPACK("\xc0"), "null");
    assert_text(UNPACK("\xc3"), "true");
    assert_text(UNPACK("\x07"), "7");
    assert_text(UNPACK("\xf9"), "-7");
    assert_text(UNPACK("\xcd\x01\x00"), "256");
    assert_text(UNPACK("\xd1\xff\x00"), "-256");
    assert_text(UNPACK("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "1.84467440737096e19");
    assert_text(UNPACK("\xca\x3f\xc0\x00\x00"), "1.5");
    assert_text(UNPACK("\xca\x7f\x80\x00\x00"), "null"); /* infinite */
    assert_text(UNPACK("\xa0"), "\"\"");
    assert_text(UNPACK("\xa2hi"), "\"hi\"");
    assert_text(UNPACK("\xa1\xff"), "\"ff\"");
    assert_text(UNPACK("\xc4\x02\x00\xff"), "\"00ff\"");
    assert_text(UNPACK("\xd4\x05\x01"), "{\"ext\":5,\"data_hex\":\"01\"}");
}

static void test_containers(void **state) {
    (void)state;
    assert_text(UNPACK("\x92\x01\x91\x02"), "[1,[2]]");
    assert_text(UNPACK("\x81\xa1"
                       "a\x81\xa1"
                       "b\x01"),
                "{\"a\":{\"b\":1}}");
    assert_text(UNPACK("\x83\x01\x02\xc0\x03\xc4\x01\xff\x04"), "{\"1\":2,\"null\":3,\"ff\":4}");
}

static void test_keys_that_are_containers_are_refused(void **state) {
    (void)state;
    assert_null(UNPACK("\x81\x80\x01"));
    assert_null(UNPACK("\x81\x91\x01\x02"));
    assert_null(UNPACK("\x81\xd4\x05\x01\x02"));
    assert_null(UNPACK("\x91\x81\x81\xa1\"\x01\x02"));
}

static void test_what_is_not_one_value_is_refused(void **state) {
    (void)state;
    assert_null(unpack_json((struct skep_bytes){0}));
    assert_null(UNPACK("\x01\x02"));
    assert_null(UNPACK("\xc1"));
    assert_null(UNPACK("\x92\x01"));
    assert_null(UNPACK("\xdd\x05\x00\x00\x00"));
    assert_null(UNPACK("\xdf\xff\xff\xff\xff"));
}

static void test_depth(void **state) {
    (void)state;
    char deep[33];
    memset(deep, 0x91, sizeof deep);
    deep[32] = 1;
    json_t *value = unpack_json((struct skep_bytes){deep, sizeof deep});
    assert_non_null(value);
    json_decref(value);
    deep[32] = (char)0x90;
    assert_null(unpack_json((struct skep_bytes){deep, sizeof deep}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_keys_that_are_containers_are_refused),
        cmocka_unit_test(test_what_is_not_one_value_is_refused),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
