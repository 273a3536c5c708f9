/* SPDX-License-Identifier: MIT
 * Tables of text: what is shown, how wide, and where. */
#include "command/common/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command/common/width.h"

static const struct column columns[] = {
    {"NAME", "name", write_text, COLUMN_LEFT},
    {"COUNT", "count", write_count, 0},
    {"NOTE", "note", write_text, COLUMN_LEFT | COLUMN_OPTIONAL | COLUMN_RANK(2)},
    {"AGE", "age", write_age, COLUMN_RANK(1)},
    {0},
};

static void assert_table(const char *json, unsigned room, const char *wanted) {
    char *text = NULL;
    size_t size_bytes = 0;
    json_t *rows = json_loads(json, 0, NULL);
    FILE *file = open_memstream(&text, &size_bytes);
    assert_non_null(rows);
    table_write(file, rows, columns, false, room);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(rows);
}

static void test_text_is_left_and_numbers_are_right(void **state) {
    (void)state;
    assert_table("[{\"name\":\"a\",\"count\":12345678,\"age\":61},{\"name\":\"longer\",\"count\":1}]", 0,
                 "NAME       COUNT    AGE\n"
                 "a       12345678  1m 1s\n"
                 "longer         1       \n");
}

static void test_wide_characters_take_two_columns(void **state) {
    (void)state;
    assert_table(
        "[{\"name\":\"\\u6771\\u4eac\\u6771\",\"count\":1,\"age\":1},{\"name\":\"abc\",\"count\":2,\"age\":2}]", 0,
        "NAME    COUNT  AGE\n"
        "\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1      1   1s\n"
        "abc         2   2s\n");
}

static void test_columns_go_by_their_rank(void **state) {
    static const char rows[] = "[{\"name\":\"a\",\"count\":1,\"note\":\"text\",\"age\":1}]";
    (void)state;
    assert_table(rows, 22, "NAME  COUNT  NOTE  AGE\na         1  text   1s\n");
    assert_table(rows, 21, "NAME  COUNT  AGE\na         1   1s\n");
    assert_table(rows, 15, "NAME  COUNT\na         1\n");
    assert_table(rows, 3, "NAME  COUNT\na         1\n"); /* what has no rank stays */
}

static void test_no_rows_are_no_table(void **state) {
    (void)state;
    assert_table("[]", 0, "");
}

/* A gap of one column is better than a column less, where it is allowed. */
static void test_a_smaller_gap(void **state) {
    struct grid grid;
    (void)state;
    assert_int_equal(grid_new(&grid, columns, 1), SKEP_OK);
    grid_cell(&grid, 0, 2)[0] = 'x';
    grid_fit(&grid, 19, 1);
    assert_int_equal(grid.gap, 1);
    assert_int_equal(grid.widths[2], 4);
    grid_fit(&grid, 22, 1);
    assert_int_equal(grid.gap, 2);
    assert_int_equal(grid.widths[2], 4);
    grid_fit(&grid, 18, 1);
    assert_int_equal(grid.widths[2], 0);
    assert_int_equal(grid.last, 3);
    grid_free(&grid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_left_and_numbers_are_right),
        cmocka_unit_test(test_wide_characters_take_two_columns),
        cmocka_unit_test(test_columns_go_by_their_rank),
        cmocka_unit_test(test_no_rows_are_no_table),
        cmocka_unit_test(test_a_smaller_gap),
    };
    width_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
