/* SPDX-License-Identifier: MIT
 * Events: who hears them, in which order, and when. */
#include "broker/hatch.h"

#include "journal/private.h"

struct heard {
    char order[64];
    skep_cluster *cluster;
    enum skep_event_kind also; /* emitted by the callback itself, once */
    bool emits;
};

static struct heard heard;

static void note(const char *name, const skep_event *event) {
    size_t used = strlen(heard.order);
    snprintf(heard.order + used, sizeof heard.order - used, "%s:%s ", name, skep_event_name(event->kind));
}

static void hear(skep_cluster *cluster, const skep_event *event, void *name) {
    (void)cluster;
    note(name, event);
}

static void hear_and_do(skep_cluster *cluster, const skep_event *event, void *name) {
    note(name, event);
    if (heard.emits) {
        heard.emits = false;
        skep_event more = skep__event(heard.also, NULL);
        skep__emit_later(cluster, &more);
    }
}

static skep_cluster *open_cluster(struct pump *pump) {
    skep_cluster *cluster = NULL;
    assert_int_equal(skep_cluster_new(&cluster, &pump->loop), SKEP_OK);
    heard = (struct heard){.cluster = cluster};
    return cluster;
}

static void emit(skep_cluster *cluster, enum skep_event_kind kind, skep_child *child) {
    skep_event event = skep__event(kind, child);
    skep__emit(cluster, &event);
}

static void emit_later(skep_cluster *cluster, enum skep_event_kind kind, skep_child *child) {
    skep_event event = skep__event(kind, child);
    skep__emit_later(cluster, &event);
}

static void test_who_hears_first(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    skep_child *child = hatch_child(cluster, 0), *other = hatch_child(cluster, 1);
    static const enum skep_event_kind kinds[] = {SKEP_EVENT_READY, SKEP_EVENT_MESSAGE, SKEP_EVENT_EXIT};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(skep_on(cluster, kinds[i], hear, (void *)"c"), SKEP_OK);
        assert_int_equal(skep_child_on(child, kinds[i], hear, (void *)"w"), SKEP_OK);
        emit(cluster, kinds[i], child);
    }
    assert_string_equal(heard.order, "w:ready c:ready c:message w:message w:exit c:exit ");
    heard.order[0] = '\0';
    emit(cluster, SKEP_EVENT_READY, other);
    emit(cluster, SKEP_EVENT_READY, NULL);
    assert_string_equal(heard.order, "c:ready c:ready ");
    hatch_free_child(child);
    hatch_free_child(other);
    hatch_free(*state, &cluster);
}

static void test_in_the_order_of_subscription(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, (void *)"1"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_SETUP, hear, (void *)"2"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, (void *)"3"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, (void *)"3"), SKEP_OK);
    emit(cluster, SKEP_EVENT_STOP, NULL);
    assert_string_equal(heard.order, "1:stop 3:stop 3:stop ");
    hatch_free(*state, &cluster);
}

/* --- once, and no more --- */

static void test_once(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    skep_child *child = hatch_child(cluster, 0);
    assert_int_equal(skep_once(cluster, SKEP_EVENT_READY, hear, (void *)"c"), SKEP_OK);
    assert_int_equal(skep_child_once(child, SKEP_EVENT_READY, hear, (void *)"w"), SKEP_OK);
    assert_int_equal(skep_once(cluster, SKEP_EVENT_MESSAGE, hear, (void *)"m"), SKEP_OK);
    emit(cluster, SKEP_EVENT_EXIT, child);
    for (unsigned i = 0; i < 3; i++) emit(cluster, SKEP_EVENT_READY, child);
    assert_string_equal(heard.order, "w:ready c:ready ");
    assert_true(skep__has_message_handler(cluster, child));
    emit(cluster, SKEP_EVENT_MESSAGE, child);
    assert_false(skep__has_message_handler(cluster, child));
    assert_null(STAILQ_FIRST(&cluster->journal->subscribers));
    assert_null(STAILQ_FIRST(&child->subject->subscribers));
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

static void test_off(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    skep_child *child = hatch_child(cluster, 0);
    static char names[][2] = {"1", "2"};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, names[i / 2]), SKEP_OK); /* 1 1 2 2 */
    assert_false(skep_off(cluster, SKEP_EVENT_SETUP, hear, names[0]));
    assert_false(skep_off(cluster, SKEP_EVENT_STOP, hear_and_do, names[0]));
    assert_false(skep_off(cluster, SKEP_EVENT_STOP, hear, NULL));
    assert_true(skep_off(cluster, SKEP_EVENT_STOP, hear, names[0]));
    emit(cluster, SKEP_EVENT_STOP, NULL);
    assert_string_equal(heard.order, "1:stop 2:stop 2:stop ");
    assert_true(skep_off(cluster, SKEP_EVENT_STOP, hear, names[0]));
    assert_false(skep_off(cluster, SKEP_EVENT_STOP, hear, names[0]));
    assert_int_equal(skep_child_on(child, SKEP_EVENT_EXIT, hear, names[0]), SKEP_OK);
    assert_false(skep_off(cluster, SKEP_EVENT_EXIT, hear, names[0]));
    assert_true(skep_child_off(child, SKEP_EVENT_EXIT, hear, names[0]));
    assert_null(STAILQ_FIRST(&child->subject->subscribers));
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

/* Removes itself and the one behind it, adds one, and causes an event of the same kind inside. */
static void change_all(skep_cluster *cluster, const skep_event *event, void *name) {
    note(name, event);
    if (!skep_off(cluster, event->kind, change_all, name)) note("again", event);
    skep_off(cluster, event->kind, hear, (void *)name);
    if (skep_once(cluster, event->kind, hear, heard.order) != SKEP_OK) note("failed", event);
    if (!heard.emits) return;
    heard.emits = false;
    skep_off(cluster, event->kind, hear, heard.order);
    emit(cluster, event->kind, NULL);
}

/* One that was removed is not called any more; one that was added is not called yet. */
static void test_changes_while_told(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    static char name[] = "x", last[] = "last";
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, change_all, name), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, name), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, last), SKEP_OK);
    heard.emits = true;
    emit(cluster, SKEP_EVENT_STOP, NULL);
    assert_string_equal(heard.order, "x:stop last:stop last:stop ");
    assert_true(skep_off(cluster, SKEP_EVENT_STOP, hear, last));
    assert_null(STAILQ_FIRST(&cluster->journal->subscribers));
    hatch_free(*state, &cluster);
}

/* --- later --- */

static void test_later_is_the_next_turn(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_SETUP, hear, (void *)"c"), SKEP_OK);
    emit_later(cluster, SKEP_EVENT_SETUP, NULL);
    assert_string_equal(heard.order, "");
    pump_turns(*state, 1);
    assert_string_equal(heard.order, "c:setup ");
    pump_turns(*state, 2);
    assert_string_equal(heard.order, "c:setup ");
    hatch_free(*state, &cluster);
}

/* What is due comes before what happens. */
static void test_due_comes_first(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_SETUP, hear, (void *)"c"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_FORK, hear, (void *)"c"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_ERROR, hear, (void *)"c"), SKEP_OK);
    emit_later(cluster, SKEP_EVENT_SETUP, NULL);
    emit_later(cluster, SKEP_EVENT_FORK, NULL);
    emit(cluster, SKEP_EVENT_ERROR, NULL);
    assert_string_equal(heard.order, "c:setup c:fork c:error ");
    pump_turns(*state, 2);
    assert_string_equal(heard.order, "c:setup c:fork c:error ");
    hatch_free(*state, &cluster);
}

static void test_callbacks_that_cause_events(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear_and_do, (void *)"1"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_STOP, hear, (void *)"2"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_SETUP, hear, (void *)"3"), SKEP_OK);
    heard.emits = true;
    heard.also = SKEP_EVENT_SETUP;
    emit(cluster, SKEP_EVENT_STOP, NULL);
    assert_string_equal(heard.order, "1:stop 2:stop "); /* not in between */
    pump_turns(*state, 1);
    assert_string_equal(heard.order, "1:stop 2:stop 3:setup ");
    hatch_free(*state, &cluster);
}

static void test_forgotten(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    skep_child *child = hatch_child(cluster, 0), *other = hatch_child(cluster, 1);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_DRAIN, hear, (void *)"drain"), SKEP_OK);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_FORK, hear, (void *)"fork"), SKEP_OK);
    emit_later(cluster, SKEP_EVENT_DRAIN, child);
    emit_later(cluster, SKEP_EVENT_FORK, other);
    emit_later(cluster, SKEP_EVENT_DRAIN, child);
    skep__journal_worker_ended(child);
    pump_turns(*state, 1);
    assert_string_equal(heard.order, "fork:fork ");
    emit_later(cluster, SKEP_EVENT_DRAIN, other);
    skep__events_free(cluster->journal);
    pump_turns(*state, 1);
    assert_string_equal(heard.order, "fork:fork ");
    hatch_free_child(child);
    hatch_free_child(other);
    hatch_free(*state, &cluster);
}

/* As the end of the cluster does first. */
static void test_nobody_hears_once_they_are_stopped(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    skep_child *child = hatch_child(cluster, 0);
    assert_int_equal(skep_on(cluster, SKEP_EVENT_ERROR, hear, (void *)"c"), SKEP_OK);
    assert_int_equal(skep_child_on(child, SKEP_EVENT_ERROR, hear, (void *)"w"), SKEP_OK);
    skep__emit_error(cluster, child, "before");
    assert_string_equal(heard.order, "w:error c:error ");
    skep__events_stop(cluster);
    skep__emit_error(cluster, child, "after");
    assert_string_equal(heard.order, "w:error c:error ");
    hatch_free_child(child);
    hatch_free(*state, &cluster);
}

/* --- what they say --- */

static char reason[SKEP_MAX_REASON + 10];

static void keep_reason(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    (void)context;
    snprintf(reason, sizeof reason, "%s", event->reason);
}

static void test_errors(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    char long_text[2 * SKEP_MAX_REASON];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(skep_on(cluster, SKEP_EVENT_ERROR, keep_reason, NULL), SKEP_OK);
    skep__emit_error(cluster, NULL, "%s: %d", "what", 7);
    assert_string_equal(reason, "what: 7");
    skep__emit_error(cluster, NULL, "%s", long_text);
    assert_int_equal(strlen(reason), SKEP_MAX_REASON);
    hatch_free(*state, &cluster);
}

static void test_message_handlers(void **state) {
    skep_cluster *cluster = open_cluster(*state);
    skep_child *child = hatch_child(cluster, 0), *other = hatch_child(cluster, 1);
    assert_false(skep__has_message_handler(cluster, child));
    assert_int_equal(skep_child_on(child, SKEP_EVENT_MESSAGE, hear, NULL), SKEP_OK);
    assert_true(skep__has_message_handler(cluster, child));
    assert_false(skep__has_message_handler(cluster, other));
    assert_int_equal(skep_on(cluster, SKEP_EVENT_EXIT, hear, NULL), SKEP_OK);
    assert_false(skep__has_message_handler(cluster, other));
    assert_int_equal(skep_on(cluster, SKEP_EVENT_MESSAGE, hear, NULL), SKEP_OK);
    assert_true(skep__has_message_handler(cluster, other));
    hatch_free_child(child);
    hatch_free_child(other);
    hatch_free(*state, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_who_hears_first),
        PUMP_TEST(test_in_the_order_of_subscription),
        PUMP_TEST(test_once),
        PUMP_TEST(test_off),
        PUMP_TEST(test_changes_while_told),
        PUMP_TEST(test_later_is_the_next_turn),
        PUMP_TEST(test_due_comes_first),
        PUMP_TEST(test_callbacks_that_cause_events),
        PUMP_TEST(test_forgotten),
        PUMP_TEST(test_nobody_hears_once_they_are_stopped),
        PUMP_TEST(test_errors),
        PUMP_TEST(test_message_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
