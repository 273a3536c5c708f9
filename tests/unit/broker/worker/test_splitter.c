/* SPDX-License-Identifier: MIT
 * Lines out of bytes, however they are cut into pieces. */
#include "lib/pump.h"

#include "worker/splitter.h"

struct seen {
    char text[4][SKEP_MAX_LINE];
    size_t size_bytes[4];
    uint64_t cut_bytes[4];
    size_t count;
};

static void see(void *context, const char *data, size_t size_bytes, uint64_t cut_bytes) {
    struct seen *seen = context;
    assert_true(seen->count < 4);
    assert_true(size_bytes <= SKEP_MAX_LINE);
    memcpy(seen->text[seen->count], data, size_bytes);
    seen->size_bytes[seen->count] = size_bytes;
    seen->cut_bytes[seen->count++] = cut_bytes;
}

static void expect(const struct seen *seen, size_t at, const char *text, size_t size_bytes) {
    assert_true(at < seen->count);
    assert_int_equal(seen->size_bytes[at], size_bytes);
    assert_memory_equal(seen->text[at], text, size_bytes);
    assert_int_equal(seen->cut_bytes[at], 0);
}

static void test_pieces_of_every_size(void **state) {
    static const char text[] = "one\n\ntw\0o\nrest";
    (void)state;
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct skep__splitter splitter = {.used = 0};
        struct seen seen = {.count = 0};
        size_t lines = 0, size_bytes = sizeof text - 1;
        for (size_t at = 0; at < size_bytes; at += piece)
            lines += skep__split(&splitter, text + at, piece < size_bytes - at ? piece : size_bytes - at, see, &seen);
        assert_int_equal(lines, 3);
        assert_true(skep__split_has_rest(&splitter));
        skep__split_end(&splitter, see, &seen);
        assert_false(skep__split_has_rest(&splitter));
        expect(&seen, 0, "one", 3);
        expect(&seen, 1, "", 0);
        expect(&seen, 2, "tw\0o", 4);
        expect(&seen, 3, "rest", 4);
    }
}

static void test_what_is_too_much_is_counted(void **state) {
    static char long_line[3 * SKEP_MAX_LINE];
    (void)state;
    struct skep__splitter splitter = {.used = 0};
    struct seen seen = {.count = 0};
    memset(long_line, 'x', sizeof long_line);
    assert_int_equal(skep__split(&splitter, long_line, sizeof long_line, see, &seen), 0);
    assert_int_equal(skep__split(&splitter, "y\nshort\n", 8, see, &seen), 2);
    assert_int_equal(seen.size_bytes[0], SKEP_MAX_LINE);
    assert_memory_equal(seen.text[0], long_line, SKEP_MAX_LINE);
    assert_int_equal(seen.cut_bytes[0], 2 * SKEP_MAX_LINE + 1);
    expect(&seen, 1, "short", 5);
}

static void test_a_line_of_the_greatest_size_is_whole(void **state) {
    static char line[SKEP_MAX_LINE + 1];
    (void)state;
    struct skep__splitter splitter = {.used = 0};
    struct seen seen = {.count = 0};
    memset(line, 'z', SKEP_MAX_LINE);
    line[SKEP_MAX_LINE] = '\n';
    assert_int_equal(skep__split(&splitter, line, sizeof line, see, &seen), 1);
    expect(&seen, 0, line, SKEP_MAX_LINE);
}

static void test_no_rest_is_no_line(void **state) {
    (void)state;
    struct skep__splitter splitter = {.used = 0};
    struct seen seen = {.count = 0};
    skep__split_end(&splitter, see, &seen);
    assert_int_equal(skep__split(&splitter, "a\n", 2, see, &seen), 1);
    skep__split_end(&splitter, see, &seen);
    assert_int_equal(seen.count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_every_size),
        cmocka_unit_test(test_what_is_too_much_is_counted),
        cmocka_unit_test(test_a_line_of_the_greatest_size_is_whole),
        cmocka_unit_test(test_no_rest_is_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
