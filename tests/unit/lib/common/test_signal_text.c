/* SPDX-License-Identifier: MIT
 * Signals in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <signal.h>

#include "common/signal_text.h"

static const char *name_of(int signal, char text[SKEP__SIGNAL_BYTES]) {
    skep__signal_text(signal, text);
    return text;
}

static void test_names(void **state) {
    char text[SKEP__SIGNAL_BYTES];
    (void)state;
    assert_string_equal(name_of(SIGKILL, text), "SIGKILL");
    assert_string_equal(name_of(64, text), "SIG64");
    assert_string_equal(name_of(INT_MIN, text), "SIG-2147483648");
}

static const char *received(int signal, int code, uint32_t pid, char text[SKEP__RECEIVED_BYTES]) {
    const struct signalfd_siginfo info = {.ssi_signo = (uint32_t)signal, .ssi_code = code, .ssi_pid = pid};
    skep__received_text(&info, text);
    return text;
}

static void test_senders(void **state) {
    char text[SKEP__RECEIVED_BYTES];
    (void)state;
    assert_string_equal(received(SIGTERM, SI_USER, 47, text), "SIGTERM from pid 47");
    assert_string_equal(received(SIGTERM, SI_QUEUE, 47, text), "SIGTERM from pid 47");
    assert_string_equal(received(SIGTERM, SI_TKILL, UINT32_MAX, text), "SIGTERM from pid 4294967295");
    assert_string_equal(received(SIGINT, SI_KERNEL, 47, text), "SIGINT"); /* by a terminal */
    assert_string_equal(received(SIGINT, SI_USER, 0, text), "SIGINT");    /* from another pid namespace */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
