/* SPDX-License-Identifier: MIT
 * How workers are made to end: signals that can be sent, and malformed frames that are too many. */
#include "broker/hatch.h"

#include "worker/private.h"

static void test_signals(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    skep_child *child = hatch_child(cluster, 0);
    child->pid = getpid();
    assert_int_equal(skep__child_signal(child, 0, 0), SKEP_OK);
    assert_int_equal(skep__child_signal(child, 0, 1), SKEP_OK);
    assert_int_equal(skep_child_kill(child, 1000), SKEP_EINVAL);
    child->exited = true;
    assert_int_equal(skep__child_signal(child, 0, 0), SKEP_ESTATE);
    assert_int_equal(skep__child_signal(child, 0, 1), SKEP_ESTATE);
    skep_child_disconnect(child);
    assert_int_equal(child->state, SKEP__CHILD_READY);
    assert_false(child->voluntary);
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

static void test_the_first_reason_stays(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    skep_child *child = hatch_child(cluster, 0);
    child->exited = true; /* nothing that could be killed */
    skep__child_kill(child, "watchdog");
    assert_false(child->discarding);
    skep__child_discard(child, "protocol");
    assert_true(child->discarding);
    assert_string_equal(child->reason, "watchdog");
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

static void test_three_malformed_frames_in_a_minute(void **state) {
    skep_cluster *cluster = hatch_cluster(*state, NULL);
    skep_child *child = hatch_child(cluster, 0);
    child->exited = true;
    for (unsigned i = 0; i < 2; i++) skep__child_bad_frame(child, "link", "too long");
    child->process->bad_frame_ms[0] -= 60001;
    skep__child_bad_frame(child, "link", "too long");
    assert_false(child->discarding);
    skep__child_bad_frame(child, "outbox", "too long");
    assert_true(child->discarding);
    assert_string_equal(child->reason, "protocol");
    assert_int_equal(cluster->workers->bad_frames, 4);
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_signals),
        PUMP_TEST(test_the_first_reason_stays),
        PUMP_TEST(test_three_malformed_frames_in_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
