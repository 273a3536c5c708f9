/* SPDX-License-Identifier: MIT
 * Counting: what workers count adds up in the primary, and comes back to them every interval. */
#include "hive.h"
#include "roles.h"

#include <signal.h>

enum { REQUESTS = 100000, SOME = 7 };

/* --- workers --- */

static void tell_count(skep_worker *worker, uint64_t count, void *context) {
    (void)context;
    role_tell_number(worker, "count", count);
}

static void count_and_stay(skep_worker *worker) {
    skep_on_request_count(worker, tell_count, NULL);
    for (unsigned i = 0; i < REQUESTS; i++) skep_count(worker, "requests", 1);
}

static void count_and_leave(skep_worker *worker) {
    skep_count(worker, "requests", SOME);
    skep_disconnect(worker);
}

static void count_when_told(skep_worker *worker, const skep_message *message, void *context) {
    (void)message;
    (void)context;
    skep_count(worker, "requests", SOME);
}

static void count_on_message(skep_worker *worker) {
    skep_on_message(worker, count_when_told, NULL);
    skep_on_request_count(worker, tell_count, NULL);
}

/* Counters of its own, names that are none, more counters than there may be, and a large sum. */
static void count_other_things(skep_worker *worker) {
    char name[80];
    memset(name, 'x', sizeof name);
    name[65] = '\0';
    skep_count(worker, "", 1);
    skep_count(worker, name, 1);
    skep_count(worker, "requests", UINT32_MAX);
    skep_count(worker, "requests", UINT32_MAX);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "own %u", i);
        skep_count(worker, name, i);
    }
    skep_disconnect(worker);
}

static const struct role roles[] = {
    {"count", count_and_stay},
    {"leave", count_and_leave},
    {"told", count_on_message},
    {"other", count_other_things},
    {NULL, NULL},
};

/* --- the primary's side --- */

static bool has_told_count(const struct hive *hive, uint32_t worker, unsigned count) {
    for (size_t i = 0; i < hive->count; i++) {
        const struct seen *seen = &hive->log[i];
        if (seen->worker == worker && strcmp(seen->name, "count") == 0 && strtoul(seen->text, NULL, 10) == count)
            return true;
    }
    return false;
}

static void test_counts_come_back_every_interval(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.interval_ms = 20});
    skep_child *child = hive_fork_ready(hive, "count", NULL);
    HIVE_UNTIL(hive, has_told_count(hive, 1, REQUESTS));
    assert_int_equal(skep_child_requests(child), REQUESTS);
    size_t before = hive_messages(hive, 1, "count");
    HIVE_UNTIL(hive, hive_messages(hive, 1, "count") >= before + 3);
    assert_int_equal(skep_child_requests(child), REQUESTS);
}

/* Each worker hears its own. */
static void test_counts_on_demand(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.interval_ms = 3600 * 1000});
    skep_child *first = hive_fork_ready(hive, "told", NULL), *second = hive_fork_ready(hive, "told", NULL);
    assert_int_equal(skep_child_send(first, "count", NULL, 0), SKEP_OK);
    HIVE_LOOK_UNTIL(hive, skep_child_requests(first) == SOME);
    assert_int_equal(hive_messages(hive, 0, "count"), 0);
    assert_int_equal(skep_child_send_request_count(first), SKEP_OK);
    assert_int_equal(skep_child_send_request_count(second), SKEP_OK);
    HIVE_UNTIL(hive, hive_messages(hive, 0, "count") == 2);
    assert_true(has_told_count(hive, 1, SOME));
    assert_true(has_told_count(hive, 2, 0));
}

static void note_requests(skep_cluster *cluster, const skep_event *event, void *sum) {
    (void)cluster;
    *(uint64_t *)sum += skep_child_requests(event->child);
}

static void test_counts_are_sent_before_leaving(void **state) {
    struct hive *hive = *state;
    uint64_t sum = 0;
    hive_start(hive, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_EXIT, note_requests, &sum), SKEP_OK);
    for (unsigned i = 0; i < 10; i++) hive_fork(hive, "leave", NULL);
    hive_run_dry(hive);
    assert_int_equal(sum, 10 * SOME);
}

static void test_other_counters(void **state) {
    struct hive *hive = *state;
    uint64_t sum = 0;
    hive_start(hive, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_EXIT, note_requests, &sum), SKEP_OK);
    hive_fork(hive, "other", NULL);
    hive_run_dry(hive);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 0);
    assert_true(sum == 2 * (uint64_t)UINT32_MAX);
}

static void test_a_replacement_counts_from_0(void **state) {
    struct hive *hive = *state;
    hive_start(hive, &(skep_settings){.interval_ms = 20, .respawn = true});
    skep_child *child = hive_fork_ready(hive, "told", NULL);
    assert_int_equal(skep_child_send(child, "count", NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, has_told_count(hive, 1, SOME));
    assert_int_equal(skep_child_kill(child, SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, has_told_count(hive, 2, 0));
    assert_int_equal(skep_child_requests(skep_child_by_id(hive->cluster, 2)), 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_counts_come_back_every_interval), HIVE_TEST(test_counts_on_demand),
        HIVE_TEST(test_counts_are_sent_before_leaving),  HIVE_TEST(test_other_counters),
        HIVE_TEST(test_a_replacement_counts_from_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
