/* SPDX-License-Identifier: MIT
 * Queues: which are forgotten, and when. */
#include "broker/shelf.h"

static struct skep__queue *make(struct shelf *shelf, unsigned name) {
    return skep__queues_get(shelf->queues, (const char *)&name, sizeof name);
}

static bool is_there(struct shelf *shelf, unsigned name) {
    return skep__queues_find(shelf->queues, (const char *)&name, sizeof name) != NULL;
}

static unsigned count(struct shelf *shelf) {
    unsigned n = 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(shelf->queues, q)) != NULL;) n++;
    return n;
}

/* Keeps the shelf's own queue, and makes all that there may be. */
static void fill(struct shelf *shelf) {
    shelf->queue->paused = true;
    for (unsigned i = 1; i < SKEP_MAX_QUEUES; i++) assert_non_null(make(shelf, i));
    assert_int_equal(count(shelf), SKEP_MAX_QUEUES);
}

static void test_new_names_are_always_taken(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    fill(&shelf);
    for (unsigned i = 0; i < 3 * SKEP_MAX_QUEUES; i++) {
        shelf.queue = make(&shelf, SKEP_MAX_QUEUES + i);
        assert_non_null(shelf.queue);
        struct skep__submission submission = shelf_plain("x");
        shelf_put(&shelf, &submission, 0);
        store_ack(shelf.store, shelf_take(&shelf, "x", 0), 0);
    }
    assert_int_equal(count(&shelf), SKEP_MAX_QUEUES);
    assert_non_null(skep__queues_find(shelf.queues, "q", 1)); /* paused all the time */
    shelf_close(&shelf);
}

static void test_the_one_that_has_been_empty_for_longest_goes_first(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    fill(&shelf);
    struct skep__submission submission = shelf_plain("x");
    shelf.queue = make(&shelf, 1);
    shelf_put(&shelf, &submission, 0);
    store_ack(shelf.store, shelf_take(&shelf, "x", 0), 0); /* empty again just now */
    shelf.queue = make(&shelf, 2);
    shelf_put(&shelf, &submission, 0); /* not empty */
    make(&shelf, 3)->consumer_count = 1;
    assert_non_null(make(&shelf, 5000));
    assert_true(is_there(&shelf, 1) && is_there(&shelf, 2) && is_there(&shelf, 3));
    assert_false(is_there(&shelf, 4));
    shelf_close(&shelf);
}

static void test_queues_in_use_stay(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = shelf_plain("x");
    fill(&shelf);
    for (unsigned i = 1; i < SKEP_MAX_QUEUES; i++) {
        shelf.queue = make(&shelf, i);
        submission.key = NULL;
        if (i % 4 == 0) shelf_put(&shelf, &submission, 0);
        if (i % 4 == 1) shelf.queue->consumer_count = 1;
        if (i % 4 == 2) shelf.queue->paused = true;
        if (i % 4 != 3) continue;
        submission.key = "k";
        submission.key_bytes = 1;
        shelf_put(&shelf, &submission, 0);
        store_ack(shelf.store, shelf_take(&shelf, "x", 0), 0);
    }
    assert_null(make(&shelf, 5000));
    assert_int_equal(shelf.queues->failure, SKEP_EQUEUES);
    assert_null(shelf.kind->ripen(shelf.store, SHELF_DEDUP_MS)); /* forgets the keys */
    assert_non_null(make(&shelf, 5000));
    shelf_close(&shelf);
}

/* --- time --- */

static void test_what_nobody_uses_is_forgotten_in_a_minute(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    shelf.queue->paused = true;
    make(&shelf, 1);
    make(&shelf, 2)->consumer_count = 1;
    skep__queues_tidy(shelf.queues, 0);
    skep__queues_tidy(shelf.queues, SKEP__QUEUE_KEPT_MS - 1);
    assert_int_equal(count(&shelf), 3);
    skep__queues_tidy(shelf.queues, SKEP__QUEUE_KEPT_MS);
    assert_int_equal(count(&shelf), 2);
    assert_false(is_there(&shelf, 1));
    shelf_close(&shelf);
}

static void test_what_is_used_again_stays_for_as_long(void **state) {
    (void)state;
    const uint64_t kept_ms = SKEP__QUEUE_KEPT_MS;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = shelf_plain("x");
    skep__queues_tidy(shelf.queues, 0);
    shelf_put(&shelf, &submission, 1);
    skep__queues_tidy(shelf.queues, 2 * kept_ms);
    store_ack(shelf.store, shelf_take(&shelf, "x", 2), 3);
    skep__queues_tidy(shelf.queues, 2 * kept_ms);
    shelf.queue->consumer_count = 1; /* a worker comes and goes */
    skep__queues_tidy(shelf.queues, 3 * kept_ms - 1);
    shelf.queue->consumer_count = 0;
    skep__queues_tidy(shelf.queues, 3 * kept_ms);
    assert_int_equal(count(&shelf), 1);
    skep__queues_tidy(shelf.queues, 4 * kept_ms);
    assert_int_equal(count(&shelf), 0);
    shelf_close(&shelf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_names_are_always_taken),
        cmocka_unit_test(test_the_one_that_has_been_empty_for_longest_goes_first),
        cmocka_unit_test(test_queues_in_use_stay),
        cmocka_unit_test(test_what_nobody_uses_is_forgotten_in_a_minute),
        cmocka_unit_test(test_what_is_used_again_stays_for_as_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
