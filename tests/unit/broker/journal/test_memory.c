/* SPDX-License-Identifier: MIT
 * The end of memory: what is refused, what gets the reserve, the line that says so, and that it is had again. */
#include "broker/hatch.h"
#include "broker/shortage.h"

#include "journal/private.h"

struct seen {
    unsigned errors;
    char text[256];
};

static unsigned retries;

static void note_error(skep_cluster *cluster, const skep_event *event, void *context) {
    struct seen *seen = context;
    (void)cluster;
    seen->errors++;
    snprintf(seen->text, sizeof seen->text, "%s", event->reason);
}

static void note_retry(skep_cluster *cluster) {
    (void)cluster;
    retries++;
}

static skep_cluster *open_cluster(struct pump *pump, struct seen *seen) {
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    *seen = (struct seen){.errors = 0};
    retries = 0;
    assert_int_equal(skep_on(cluster, SKEP_EVENT_ERROR, note_error, seen), SKEP_OK);
    skep__memory_open(cluster, note_retry);
    return cluster;
}

static void test_with_memory_nothing_happens(void **state) {
    struct seen seen;
    skep_cluster *cluster = open_cluster(*state, &seen);
    assert_true(skep__memory_allows(cluster, (size_t)100 * SKEP__RESERVE_BYTES));
    skep__memory_check(cluster);
    skep__memory_note(cluster, SKEP__RESERVE_BYTES);
    assert_non_null(cluster->memory.block);
    assert_false(uv_is_active((uv_handle_t *)&cluster->journal->memory_timer));
    pump_turns(*state, 2);
    assert_int_equal(seen.errors + retries, 0);
    hatch_free(*state, &cluster);
}

static void test_a_step_may_be_tried_again_once(void **state) {
    struct seen seen;
    skep_cluster *cluster = open_cluster(*state, &seen);
    shortage_begin(cluster);
    assert_null(malloc(1));
    assert_true(skep__memory_lacks(cluster));
    void *bytes = malloc(1);
    assert_non_null(bytes);
    free(bytes);
    assert_false(skep__memory_lacks(cluster));
    shortage_end();
    hatch_free(*state, &cluster);
}

static void test_nothing_is_taken_for_long_until_it_is_had_again(void **state) {
    struct seen seen;
    struct pump *pump = *state;
    skep_cluster *cluster = open_cluster(pump, &seen);
    shortage_begin(cluster);
    skep__memory_check(cluster);
    assert_false(skep__memory_allows(cluster, 1));
    PUMP_UNTIL(pump, retries >= 3); /* it goes on looking */
    assert_false(skep__memory_allows(cluster, 1));
    shortage_end();
    PUMP_UNTIL(pump, cluster->memory.block != NULL);
    assert_true(skep__memory_allows(cluster, 1));
    assert_false(uv_is_active((uv_handle_t *)&cluster->journal->memory_timer));
    hatch_free(pump, &cluster);
}

static void test_is_said_once_in_a_while(void **state) {
    struct seen seen;
    struct pump *pump = *state;
    skep_cluster *cluster = open_cluster(pump, &seen);
    shortage_begin(cluster);
    for (unsigned i = 0; i < 3; i++) {
        (void)skep__memory_lacks(cluster);
        assert_false(skep__memory_allows(cluster, 1));
    }
    PUMP_UNTIL(pump, retries > 0);
    assert_int_equal(seen.errors, 1);
    assert_non_null(strstr(seen.text, "out of memory; until some is free, new jobs, clients and messages are refused"));
    cluster->journal->lack_said_ms[SKEP__LACK_MEMORY] = 0; /* as if ten seconds had passed */
    (void)skep__memory_lacks(cluster);
    PUMP_UNTIL(pump, seen.errors == 2);
    shortage_end();
    hatch_free(pump, &cluster);
}

/* A broker that finds none when it starts begins all the same. */
static void test_is_missing_from_the_start(void **state) {
    struct seen seen;
    struct pump *pump = *state;
    skep_cluster *cluster = open_cluster(pump, &seen);
    shortage_begin(cluster);
    skep__memory_close(cluster);
    skep__memory_open(cluster, note_retry);
    assert_false(skep__memory_allows(cluster, 1));
    shortage_end();
    PUMP_UNTIL(pump, retries > 0);
    assert_true(skep__memory_allows(cluster, 1));
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SHORTAGE_TEST(test_with_memory_nothing_happens),
        SHORTAGE_TEST(test_a_step_may_be_tried_again_once),
        SHORTAGE_TEST(test_nothing_is_taken_for_long_until_it_is_had_again),
        SHORTAGE_TEST(test_is_said_once_in_a_while),
        SHORTAGE_TEST(test_is_missing_from_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
