/* SPDX-License-Identifier: MIT
 * Events: what they are called, what an empty one says, and those that are due. */
#include "broker/hatch.h"

#include "journal/private.h"

static void test_names(void **state) {
    (void)state;
    assert_string_equal(skep_event_name(SKEP_EVENT_SETUP), "setup");
    for (unsigned kind = 0; kind < SKEP_EVENT_KINDS; kind++)
        assert_non_null(skep_event_name((enum skep_event_kind)kind));
    assert_string_equal(skep_event_name(SKEP_EVENT_KINDS), "?");
}

static void test_empty_event(void **state) {
    (void)state;
    skep_event event = skep__event(SKEP_EVENT_EXIT, NULL);
    assert_int_equal(event.kind, SKEP_EVENT_EXIT);
    assert_null(event.child);
    assert_int_equal(event.code, -1);
    assert_int_equal(event.signal, -1);
    assert_int_equal(event.delay_ms, -1);
    assert_int_equal(event.fd, -1);
    assert_int_equal(event.address_type, -1);
    assert_int_equal(event.request, 0);
}

/* They are taken in their order, with their own copies of what may go. */
static void test_due(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = NULL;
    assert_int_equal(skep_cluster_new(&cluster, &pump->loop), SKEP_OK);
    skep_event event = skep__event(SKEP_EVENT_SCALE, NULL);
    char reason[] = "first";
    event.reason = reason;
    skep__emit_later(cluster, &event);
    memset(reason, 'x', sizeof reason - 1);
    event = skep__event(SKEP_EVENT_STOP, NULL);
    skep__emit_later(cluster, &event);
    struct skep__due_event *first = skep__events_take(cluster->journal);
    struct skep__due_event *second = skep__events_take(cluster->journal);
    assert_int_equal(first->event.kind, SKEP_EVENT_SCALE);
    assert_string_equal(first->event.reason, "first");
    assert_int_equal(second->event.kind, SKEP_EVENT_STOP);
    assert_null(second->event.reason);
    assert_null(skep__events_take(cluster->journal));
    free(first);
    free(second);
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_empty_event),
        PUMP_TEST(test_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
