/* SPDX-License-Identifier: MIT
 * Jobs in memory: order, states, bounds, time. */
#include "broker/shelf.h"

static uint64_t put_plain(struct shelf *shelf, const char *data) {
    struct skep__submission submission = shelf_plain(data);
    return shelf_put(shelf, &submission, 0);
}

static void assert_counts(const struct shelf *shelf, uint64_t ready, uint64_t reserved, uint64_t delayed,
                          uint64_t dead) {
    assert_int_equal(shelf->queue->shelf->ready_count, ready);
    assert_int_equal(shelf->queue->shelf->reserved_count, reserved);
    assert_int_equal(shelf->queue->shelf->delayed_count, delayed);
    assert_int_equal(shelf->queue->shelf->dead_count, dead);
}

static void test_first_in_first_out(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    assert_int_equal(put_plain(&shelf, "a"), 1);
    assert_int_equal(put_plain(&shelf, "b"), 2);
    assert_counts(&shelf, 2, 0, 0, 0);
    struct skep__job *a = shelf_take(&shelf, "a", 0), *b = shelf_take(&shelf, "b", 0);
    assert_counts(&shelf, 0, 2, 0, 0);
    assert_null(shelf.kind->first(shelf.queue->shelf));
    store_ack(shelf.store, b, 0);
    store_ack(shelf.store, a, 0);
    assert_counts(&shelf, 0, 0, 0, 0);
    assert_int_equal(shelf.queue->shelf->done, 2);
    assert_int_equal(shelf.queue->shelf->bytes, 0);
    shelf_close(&shelf);
}

static void test_smaller_priority_first(void **state) {
    (void)state;
    static const uint8_t priorities[] = {200, 0, 255, 128, 64, 63, 0};
    static const char *const names[] = {"200", "0", "255", "128", "64", "63", "0again"};
    static const char *const order[] = {"0", "0again", "63", "64", "128", "200", "255"};
    struct shelf shelf = shelf_open_large();
    for (unsigned i = 0; i < 7; i++) {
        struct skep__submission submission = shelf_plain(names[i]);
        submission.priority = priorities[i];
        shelf_put(&shelf, &submission, 0);
    }
    const struct skep__job *job = NULL;
    for (unsigned i = 0; i < 7; i++) {
        job = shelf.kind->next(shelf.store, shelf.queue->shelf, SKEP__JOB_READY, job);
        assert_memory_equal(job->data, order[i], strlen(order[i]));
    }
    assert_null(shelf.kind->next(shelf.store, shelf.queue->shelf, SKEP__JOB_READY, job));
    for (unsigned i = 0; i < 7; i++) shelf_take(&shelf, order[i], 0);
    shelf_close(&shelf);
}

static void test_recovered_jobs_come_first(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    put_plain(&shelf, "a");
    put_plain(&shelf, "b");
    put_plain(&shelf, "c");
    struct skep__job *a = shelf_take(&shelf, "a", 0), *b = shelf_take(&shelf, "b", 0);
    shelf.kind->recover(shelf.store, b); /* the last first */
    shelf.kind->recover(shelf.store, a);
    shelf_take(&shelf, "a", 0);
    shelf_take(&shelf, "b", 0);
    shelf_take(&shelf, "c", 0);
    shelf_close(&shelf);
}

static void test_retried_jobs_come_behind_or_wait(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    put_plain(&shelf, "a");
    put_plain(&shelf, "b");
    put_plain(&shelf, "c");
    shelf.kind->retry(shelf.store, shelf_take(&shelf, "a", 0), 5, 5);
    shelf.kind->retry(shelf.store, shelf_take(&shelf, "b", 0), 5, 100);
    assert_counts(&shelf, 2, 0, 1, 0);
    assert_int_equal(shelf.kind->next_ms(shelf.store), 100);
    assert_null(shelf.kind->ripen(shelf.store, 99));
    assert_ptr_equal(shelf.kind->ripen(shelf.store, 100), shelf.queue);
    assert_null(shelf.kind->ripen(shelf.store, 100));
    shelf_take(&shelf, "c", 0);
    shelf_take(&shelf, "a", 0);
    shelf_take(&shelf, "b", 0);
    shelf_close(&shelf);
}

static void test_delays_ripen_in_order(void **state) {
    (void)state;
    static const uint32_t delays_ms[] = {50, 10, 40, 20, 30};
    static const char *const names[] = {"50", "10", "40", "20", "30"};
    static const char *const order[] = {"10", "20", "30", "40", "50"};
    struct shelf shelf = shelf_open_large();
    for (unsigned i = 0; i < 5; i++) {
        struct skep__submission submission = shelf_plain(names[i]);
        submission.delay_ms = delays_ms[i];
        shelf_put(&shelf, &submission, 7);
    }
    assert_null(shelf.kind->first(shelf.queue->shelf));
    while (shelf.kind->ripen(shelf.store, 57) != NULL) continue;
    for (unsigned i = 0; i < 5; i++) shelf_take(&shelf, order[i], 57);
    shelf_close(&shelf);
}

static void test_jobs_expire_unless_begun(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = shelf_plain("x");
    submission.ttl_ms = 100;
    shelf_put(&shelf, &submission, 0);
    shelf_put(&shelf, &submission, 0);
    submission.delay_ms = 500;
    shelf_put(&shelf, &submission, 0);
    struct skep__job *taken = shelf_take(&shelf, "x", 50);
    assert_null(shelf.kind->expired(shelf.store, 99));
    assert_ptr_equal(shelf.kind->expired(shelf.store, 100), taken); /* it was given to a worker, no more */
    shelf.kind->begun(shelf.store, taken);
    for (unsigned i = 0; i < 2; i++)
        store_bury(shelf.store, shelf.kind->expired(shelf.store, 100), "attempts", NULL, 0);
    assert_null(shelf.kind->expired(shelf.store, 1000));
    assert_counts(&shelf, 0, 1, 0, 2);
    shelf_close(&shelf);
}

static void test_delays_of_one_time_ripen_in_the_order_of_acceptance(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    for (unsigned i = 0; i < 100; i++) {
        struct skep__submission submission = shelf_plain("x");
        submission.delay_ms = 100 - i / 2 % 2 * 50;
        shelf_put(&shelf, &submission, 0);
    }
    while (shelf.kind->ripen(shelf.store, 100) != NULL) continue;
    uint64_t before = 0;
    for (unsigned i = 0; i < 100; i++) {
        const struct skep__job *job = shelf_take(&shelf, "x", 100);
        if (i != 50) assert_true(job->id > before);
        before = job->id;
    }
    shelf_close(&shelf);
}

static struct skep__death *death(void) {
    struct skep__death *d = calloc(1, sizeof *d + 1);
    assert_non_null(d);
    d->cause = "refused";
    return d;
}

static void test_dead_letters(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    put_plain(&shelf, "a");
    put_plain(&shelf, "b");
    struct skep__job *a = shelf_take(&shelf, "a", 1), *b = shelf_take(&shelf, "b", 2);
    a->failures = a->deaths = 2;
    store_bury(shelf.store, a, "attempts", death(), 0);
    store_bury(shelf.store, b, "attempts", death(), 0);
    assert_counts(&shelf, 0, 0, 0, 2);
    assert_ptr_equal(shelf.kind->next(shelf.store, shelf.queue->shelf, SKEP__JOB_DEAD, NULL), a);
    assert_ptr_equal(shelf.kind->next(shelf.store, shelf.queue->shelf, SKEP__JOB_DEAD, a), b);
    shelf.kind->revive(shelf.store, a, 9);
    assert_int_equal(a->failures + a->deaths + a->attempt, 0);
    assert_null(a->death);
    assert_int_equal(a->accepted_ms, 9);
    shelf.kind->drop(shelf.store, b);
    assert_counts(&shelf, 1, 0, 0, 0);
    shelf_take(&shelf, "a", 10);
    shelf_close(&shelf);
}

static void test_bounds(void **state) {
    (void)state;
    uint64_t id;
    struct skep__submission submission = shelf_plain("0123456789");
    struct shelf few = shelf_open(2, 1 << 20);
    shelf_put(&few, &submission, 0);
    struct skep__job *job = shelf_take(&few, "0123456789", 0);
    shelf_put(&few, &submission, 0);
    assert_int_equal(store_put(few.store, few.queue, &submission, 0, &id), SKEP_EFULL); /* reserved ones count */
    store_bury(few.store, job, "attempts", NULL, 0);
    assert_int_equal(store_put(few.store, few.queue, &submission, 0, &id), SKEP_EFULL); /* so do dead ones */
    few.kind->drop(few.store, job);
    shelf_put(&few, &submission, 0);
    assert_int_equal(few.queue->shelf->declined, 2);
    shelf_close(&few);

    struct shelf small = shelf_open(1000, 1000);
    unsigned count = 0;
    while (store_put(small.store, small.queue, &submission, 0, &id) == SKEP_OK) count++;
    assert_in_range(count, 1000 / (200 + 10), 1000 / 50);
    assert_true(small.queue->shelf->bytes <= 1000);
    struct skep__queue *other = skep__queues_get(small.queues, "r", 1);
    unsigned others = 0;
    while (store_put(small.store, other, &submission, 0, &id) == SKEP_OK) others++;
    assert_int_equal(others, count);
    struct skep__queue *third = skep__queues_get(small.queues, "s", 1);
    while (store_put(small.store, third, &submission, 0, &id) == SKEP_OK) continue;
    assert_true(third->shelf->bytes + other->shelf->bytes + small.queue->shelf->bytes <=
                2000); /* of all queues together */
    shelf_close(&small);
}

/* What the header promises: at most 200 bytes besides the payload. */
static void test_a_job_is_small(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    put_plain(&shelf, "");
    assert_in_range(shelf.queue->shelf->bytes, sizeof(struct skep__job), 200);
    shelf_close(&shelf);
}

static void test_queues(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    assert_null(skep__queues_find(shelf.queues, "nope", 4));
    assert_null(skep__queues_get(shelf.queues, "", 0));
    char name[SKEP_MAX_NAME + 2];
    memset(name, 'x', sizeof name);
    assert_null(skep__queues_get(shelf.queues, name, SKEP_MAX_NAME + 1));
    assert_int_equal(shelf.queues->failure, SKEP_EINVAL);
    assert_non_null(skep__queues_get(shelf.queues, name, SKEP_MAX_NAME));
    unsigned count = 0;
    for (const struct skep__queue *q = NULL; (q = skep__queues_next(shelf.queues, q)) != NULL;) count++;
    assert_int_equal(count, 2);
    shelf_close(&shelf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_smaller_priority_first),
        cmocka_unit_test(test_recovered_jobs_come_first),
        cmocka_unit_test(test_retried_jobs_come_behind_or_wait),
        cmocka_unit_test(test_delays_ripen_in_order),
        cmocka_unit_test(test_jobs_expire_unless_begun),
        cmocka_unit_test(test_delays_of_one_time_ripen_in_the_order_of_acceptance),
        cmocka_unit_test(test_dead_letters),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_a_job_is_small),
        cmocka_unit_test(test_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
