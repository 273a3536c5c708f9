/* SPDX-License-Identifier: MIT
 * Signals that are blocked or unblocked for a while, and are as before then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#include "base/signal_mask.h"

static sigset_t set_of(int first, int second) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    if (second != 0) sigaddset(&set, second);
    return set;
}

static bool is_blocked(int signal) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, signal) == 1;
}

/* SIGUSR1 is blocked before, SIGUSR2 and SIGALRM are not. */
static int block_one(void **state) {
    sigset_t blocked = set_of(SIGUSR1, 0), others = set_of(SIGUSR2, SIGALRM);
    (void)state;
    return pthread_sigmask(SIG_BLOCK, &blocked, NULL) == 0 && pthread_sigmask(SIG_UNBLOCK, &others, NULL) == 0 ? 0 : -1;
}

static void test_all_are_as_before(void **state) {
    struct skep__signal_mask mask = {0};
    sigset_t both = set_of(SIGUSR1, SIGUSR2);
    (void)state;
    skep__signal_mask_change(&mask, SIG_BLOCK, &both);
    assert_true(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
    skep__signal_mask_change(&mask, SIG_UNBLOCK, &both);
    assert_false(is_blocked(SIGUSR1) || is_blocked(SIGUSR2));
    skep__signal_mask_restore(&mask);
    assert_true(is_blocked(SIGUSR1));
    assert_false(is_blocked(SIGUSR2));
}

static void test_others_stay_as_they_are(void **state) {
    struct skep__signal_mask mask = {0};
    sigset_t one = set_of(SIGUSR2, 0), other = set_of(SIGALRM, 0);
    (void)state;
    skep__signal_mask_change(&mask, SIG_BLOCK, &one);
    pthread_sigmask(SIG_BLOCK, &other, NULL);
    skep__signal_mask_restore(&mask);
    assert_true(is_blocked(SIGALRM) && is_blocked(SIGUSR1));
    assert_false(is_blocked(SIGUSR2));
}

/* What the program has done to a signal until it is changed is what it gets back. */
static void test_each_is_noted_when_it_is_changed(void **state) {
    struct skep__signal_mask mask = {0};
    sigset_t one = set_of(SIGUSR2, 0), other = set_of(SIGALRM, 0);
    (void)state;
    skep__signal_mask_change(&mask, SIG_BLOCK, &one);
    pthread_sigmask(SIG_BLOCK, &other, NULL);
    skep__signal_mask_change(&mask, SIG_UNBLOCK, &other);
    skep__signal_mask_restore(&mask);
    assert_true(is_blocked(SIGALRM));
}

static void test_a_second_time(void **state) {
    struct skep__signal_mask mask = {0};
    sigset_t one = set_of(SIGUSR1, 0);
    (void)state;
    skep__signal_mask_change(&mask, SIG_UNBLOCK, &one);
    skep__signal_mask_restore(&mask);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    skep__signal_mask_restore(&mask); /* nothing is changed */
    assert_false(is_blocked(SIGUSR1));
    skep__signal_mask_change(&mask, SIG_BLOCK, &one);
    skep__signal_mask_restore(&mask);
    assert_false(is_blocked(SIGUSR1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_are_as_before, block_one),
        cmocka_unit_test_setup(test_others_stay_as_they_are, block_one),
        cmocka_unit_test_setup(test_each_is_noted_when_it_is_changed, block_one),
        cmocka_unit_test_setup(test_a_second_time, block_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
