/* SPDX-License-Identifier: MIT
 * Trace: which tokens the environment asks for, and what the lines look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/trace.h"

static unsigned mask_of(const char *value) {
    setenv(SKEP_ENV_TRACE, value, 1);
    return skep__trace_mask();
}

static void test_mask(void **state) {
    (void)state;
    unsetenv(SKEP_ENV_TRACE);
    assert_int_equal(skep__trace_mask(), 0);
    assert_int_equal(mask_of(""), 0);
    assert_int_equal(mask_of("spawn"), SKEP__TRACE_SPAWN);
    assert_int_equal(mask_of("link"), SKEP__TRACE_LINK);
    assert_int_equal(mask_of("wire"), SKEP__TRACE_WIRE);
    assert_int_equal(mask_of("ledger"), SKEP__TRACE_LEDGER);
    assert_int_equal(mask_of("wire,spawn"), SKEP__TRACE_WIRE | SKEP__TRACE_SPAWN);
    assert_int_equal(mask_of("all"), SKEP__TRACE_WIRE | SKEP__TRACE_SPAWN | SKEP__TRACE_LINK | SKEP__TRACE_LEDGER);
    assert_int_equal(mask_of("nonsense,link,,linkage,lin,LINK"), SKEP__TRACE_LINK);
    unsetenv(SKEP_ENV_TRACE);
}

/* --- what is printed --- */

struct capture {
    int pipe[2];
    int stderr_before;
};

static void capture_begin(struct capture *capture) {
    assert_int_equal(pipe(capture->pipe), 0);
    capture->stderr_before = dup(STDERR_FILENO);
    assert_int_equal(dup2(capture->pipe[1], STDERR_FILENO), STDERR_FILENO);
    close(capture->pipe[1]);
}

static void capture_end(struct capture *capture, char *text, size_t capacity_bytes) {
    fflush(stderr);
    dup2(capture->stderr_before, STDERR_FILENO);
    close(capture->stderr_before);
    ssize_t n = read(capture->pipe[0], text, capacity_bytes - 1);
    text[n > 0 ? n : 0] = '\0';
    close(capture->pipe[0]);
}

static void test_line(void **state) {
    (void)state;
    struct capture capture;
    char text[256], line[256];
    capture_begin(&capture);
    skep__trace(SKEP__TRACE_SPAWN | SKEP__TRACE_WIRE, SKEP__TRACE_SPAWN, "worker %d: %s", 3, "hello");
    skep__trace(SKEP__TRACE_WIRE, SKEP__TRACE_SPAWN, "not asked for");
    skep__trace(0, SKEP__TRACE_WIRE, "not asked for");
    capture_end(&capture, text, sizeof text);
    snprintf(line, sizeof line, "skep[%d]: spawn worker 3: hello\n", (int)getpid());
    assert_string_equal(text, line);
}

static void test_command(void **state) {
    (void)state;
    struct capture capture;
    char text[256], line[256];
    struct skep_command command = {.id = SKEP_COMMAND_unlisten, .unlisten = {.listener = 7}};
    capture_begin(&capture);
    skep__trace_command(SKEP__TRACE_LINK, SKEP__TRACE_LINK, "<", 5, &command);
    skep__trace_command(SKEP__TRACE_WIRE, SKEP__TRACE_LINK, "<", 5, &command);
    capture_end(&capture, text, sizeof text);
    snprintf(line, sizeof line, "skep[%d]: link < worker 5: unlisten {listener: 7}\n", (int)getpid());
    assert_string_equal(text, line);
}

/* A long text is cut; the line still ends. */
static void test_long_line(void **state) {
    (void)state;
    struct capture capture;
    static char long_text[4000], text[4000];
    memset(long_text, 'x', sizeof long_text - 1);
    capture_begin(&capture);
    skep__trace(SKEP__TRACE_LEDGER, SKEP__TRACE_LEDGER, "%s", long_text);
    capture_end(&capture, text, sizeof text);
    assert_in_range(strlen(text), 500, 1200);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
