/* SPDX-License-Identifier: MIT
 * What of some bytes reaches a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#undef fail /* say.h has one, too */

#include "command/common/say.h"
#include "command/common/utf8.h"

static void expect_printed(const char *text, const char *expected) {
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    make_printable(copy);
    assert_string_equal(copy, expected);
}

static void test_text(void **state) {
    (void)state;
    expect_printed("plain text", "plain text");
    expect_printed("\u00e9\u05d0\u20ac\U0001f41d", "\u00e9\u05d0\u20ac\U0001f41d");
    expect_printed("a\u200db\u200cc", "a\u200db\u200cc"); /* joiners, which letters and signs are made of */
    expect_printed("\u2065\u206a\u2010\u202f", "\u2065\u206a\u2010\u202f"); /* neighbours of those below */
}

static void test_controls(void **state) {
    (void)state;
    expect_printed("a\033[2Jb\n\x7f", "a?[2Jb??");
    expect_printed("\xc2\x85\xc2\x9b", "????");
    expect_printed("\xff\xc3", "??");
}

/* Each would show what follows, or the line, in another order than it is. */
static void test_directions(void **state) { /* NOLINTBEGIN(misc-misleading-bidirectional) */
    static const char *const turns[] = {"\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e",
                                        "\u2066", "\u2067", "\u2068", "\u2069", "\u2028", "\u2029"};
    (void)state;
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        assert_int_equal(utf8_printable(turns[i], strlen(turns[i])), 0);
        assert_true(utf8_is_text(turns[i], strlen(turns[i]))); /* to programs they are characters as others */
        expect_printed(turns[i], "???");
    }
    expect_printed("\u061c", "??");
    expect_printed("exe.\u202egnp", "exe.???gnp");
} /* NOLINTEND(misc-misleading-bidirectional) */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_directions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
