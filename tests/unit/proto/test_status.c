/* SPDX-License-Identifier: MIT
 * Statuses: texts, names, exit statuses, and what an errno becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <skep/status.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "contract.h"

static const int all[] = {
#define ERROR(name, value, exit_status, text) SKEP_##name,
#include <skep/errors.def>
#undef ERROR
};

enum { COUNT = sizeof all / sizeof *all };

static void test_success_is_zero(void **state) {
    (void)state;
    assert_int_equal(SKEP_OK, 0);
    assert_string_equal(skep_strerror(SKEP_OK), "success");
    assert_string_equal(skep_status_name(SKEP_OK), "OK");
    assert_int_equal(skep_exit_status(SKEP_OK), 0);
}

static void test_rows(void **state) {
    (void)state;
    assert_string_equal(skep_status_name(SKEP_EADDRINUSE), "EADDRINUSE");
    assert_string_equal(skep_strerror(SKEP_EADDRINUSE), "address already in use");
    assert_int_equal(skep_exit_status(SKEP_EADDRINUSE), 69);
    assert_int_equal(skep_exit_status(SKEP_EURL), 64);
    assert_int_equal(skep_exit_status(SKEP_ENOTFOUND), 127);
    assert_int_equal(skep_exit_status(SKEP_ENOTEXEC), 126);
}

/* Values travel on the wire, so none may ever be given twice or be over 16 bits. */
static void test_rows_are_distinct(void **state) {
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        assert_in_range(all[i], 0, UINT16_MAX);
        bool good = all[i] == SKEP_OK || all[i] == SKEP_EDUPLICATE; /* the job is there, if not by this submission */
        assert_int_equal(skep_exit_status(all[i]) == 0, good);
        assert_in_range(skep_exit_status(all[i]), 0, 127);
        assert_true(strlen(skep_strerror(all[i])) > 0);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(skep_status_name(all[i]), skep_status_name(all[j]));
            assert_string_not_equal(skep_strerror(all[i]), skep_strerror(all[j]));
        }
    }
}

static void test_unknown(void **state) {
    (void)state;
    const int unknown[] = {-1, COUNT, 1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_string_equal(skep_strerror(unknown[i]), "unknown status");
        assert_string_equal(skep_status_name(unknown[i]), "EUNKNOWN");
        assert_int_equal(skep_exit_status(unknown[i]), 70);
    }
}

/* A message names the limit that it is about. */
static void test_texts_name_their_limits(void **state) {
    char number[16];
    (void)state;
    snprintf(number, sizeof number, " %d ", SKEP_MAX_QUEUES);
    assert_non_null(strstr(skep_strerror(SKEP_EQUEUES), number));
    snprintf(number, sizeof number, " %d ", SKEP_MAX_CLIENTS);
    assert_non_null(strstr(skep_strerror(SKEP_ECLIENTS), number));
    snprintf(number, sizeof number, " %d ", SKEP_MAX_OWN_CLIENTS);
    assert_non_null(strstr(skep_strerror(SKEP_ECLIENTS), number));
}

static void test_of_errno(void **state) {
    (void)state;
    static const struct {
        int error;
        int status;
    } rows[] = {
        {0, SKEP_OK},
        {ENOMEM, SKEP_ENOMEM},
        {EMFILE, SKEP_EMFILE},
        {ENFILE, SKEP_EMFILE},
        {EAGAIN, SKEP_EAGAIN},
        {EADDRINUSE, SKEP_EADDRINUSE},
        {EADDRNOTAVAIL, SKEP_EADDR},
        {ENOENT, SKEP_EADDR},
        {ENOTDIR, SKEP_EADDR},
        {EACCES, SKEP_EACCES},
        {EPERM, SKEP_EACCES},
        {EAFNOSUPPORT, SKEP_EADDR},
        {ENODEV, SKEP_EADDR},
        {EROFS, SKEP_EACCES},
        {ENOSPC, SKEP_ENOSPC},
        {EDQUOT, SKEP_ENOSPC},
        {ENOBUFS, SKEP_ENOMEM},
        {ETIMEDOUT, SKEP_ETIMEDOUT},
        {EPIPE, SKEP_ECLOSED},
        {ECONNRESET, SKEP_ECLOSED},
        {ECONNREFUSED, SKEP_ECLOSED},
        {EIO, SKEP_ESYS},
        {-1, SKEP_ESYS},
        {99999, SKEP_ESYS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(skep_status_of_errno(rows[i].error), rows[i].status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_is_zero),   cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_are_distinct), cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_of_errno),          cmocka_unit_test(test_texts_name_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
