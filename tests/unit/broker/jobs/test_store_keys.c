/* SPDX-License-Identifier: MIT
 * Keys: how long they keep copies out, and who waits with a copy. */
#include "broker/shelf.h"

#include <stdio.h>

#include "jobs/store_keys.h"

static const uint64_t LONG_MS = 1000000;

static struct skep__submission keyed(const char *key) {
    struct skep__submission submission = shelf_plain("x");
    submission.key = key;
    submission.key_bytes = strlen(key);
    return submission;
}

static void assert_status(struct shelf *shelf, const char *key, uint64_t now_ms, int status) {
    struct skep__submission submission = keyed(key);
    uint64_t id = 0;
    while (shelf->kind->ripen(shelf->store, now_ms) != NULL) continue;
    assert_int_equal(store_put(shelf->store, shelf->queue, &submission, now_ms, &id), status);
}

static void test_each_queue_has_its_own(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    uint64_t id = 0;
    assert_int_equal(shelf_put(&shelf, &submission, 0), 1);
    assert_int_equal(store_put(shelf.store, shelf.queue, &submission, 1, &id), SKEP_EDUPLICATE);
    assert_int_equal(id, 1);
    assert_status(&shelf, "kex", 1, SKEP_OK);
    assert_int_equal(shelf.queue->shelf->duplicates, 1);
    shelf.queue = skep__queues_get(shelf.queues, "other", 5);
    assert_status(&shelf, "key", 1, SKEP_OK);
    shelf_close(&shelf);
}

static void test_a_key_is_held_while_its_job_waits_or_runs(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    shelf_put(&shelf, &submission, 0);
    assert_status(&shelf, "key", LONG_MS, SKEP_EDUPLICATE);
    struct skep__job *job = shelf_take(&shelf, "x", LONG_MS);
    assert_status(&shelf, "key", 2 * LONG_MS, SKEP_EDUPLICATE);
    shelf.kind->retry(shelf.store, job, 2 * LONG_MS, 4 * LONG_MS);
    assert_status(&shelf, "key", 3 * LONG_MS, SKEP_EDUPLICATE);
    assert_null(shelf.kind->ripen(shelf.store, 3 * LONG_MS));
    shelf_close(&shelf);
}

static void test_the_key_of_a_done_job_is_remembered_from_then_on(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    shelf_put(&shelf, &submission, 0);
    store_ack(shelf.store, shelf_take(&shelf, "x", 1), LONG_MS);
    assert_int_equal(shelf.kind->next_ms(shelf.store), LONG_MS + SHELF_DEDUP_MS);
    assert_status(&shelf, "key", LONG_MS + SHELF_DEDUP_MS - 1, SKEP_EDUPLICATE);
    assert_status(&shelf, "key", LONG_MS + SHELF_DEDUP_MS, SKEP_OK);
    shelf_close(&shelf);
}

static struct skep__job *dead_letter(struct shelf *shelf, uint64_t now_ms) {
    struct skep__submission submission = keyed("key");
    shelf_put(shelf, &submission, 0);
    struct skep__job *job = shelf_take(shelf, "x", 1);
    store_bury(shelf->store, job, "refused", NULL, now_ms);
    return job;
}

static void test_a_revived_job_holds_its_key_again(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__job *job = dead_letter(&shelf, 10);
    assert_status(&shelf, "key", 10 + SHELF_DEDUP_MS - 1, SKEP_EDUPLICATE);
    shelf.kind->revive(shelf.store, job, 500);
    assert_status(&shelf, "key", LONG_MS, SKEP_EDUPLICATE);
    shelf_close(&shelf);

    shelf = shelf_open_large(); /* and when it had been forgotten */
    job = dead_letter(&shelf, 10);
    assert_null(shelf.kind->ripen(shelf.store, 10 + SHELF_DEDUP_MS));
    shelf.kind->revive(shelf.store, job, 2000);
    assert_status(&shelf, "key", LONG_MS, SKEP_EDUPLICATE);
    store_ack(shelf.store, shelf_take(&shelf, "x", LONG_MS), LONG_MS);
    assert_status(&shelf, "key", LONG_MS + SHELF_DEDUP_MS, SKEP_OK);
    shelf_close(&shelf);
}

static void test_a_key_that_another_job_has_taken_stays_with_that(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__job *job = dead_letter(&shelf, 10);
    assert_status(&shelf, "key", 10 + SHELF_DEDUP_MS, SKEP_OK);
    shelf.kind->revive(shelf.store, job, 2000);
    assert_null(job->key);
    assert_status(&shelf, "key", LONG_MS, SKEP_EDUPLICATE);
    shelf_close(&shelf);
}

static void test_a_dropped_dead_letter_leaves_its_key(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    shelf.kind->drop(shelf.store, dead_letter(&shelf, 10));
    assert_status(&shelf, "key", 11, SKEP_EDUPLICATE);
    assert_status(&shelf, "key", 10 + SHELF_DEDUP_MS, SKEP_OK);
    shelf_close(&shelf);

    shelf = shelf_open_large(); /* one that has been forgotten goes with the job */
    struct skep__job *job = dead_letter(&shelf, 10);
    assert_null(shelf.kind->ripen(shelf.store, 10 + SHELF_DEDUP_MS));
    shelf.kind->drop(shelf.store, job);
    assert_status(&shelf, "key", 5000, SKEP_OK);
    shelf_close(&shelf);
}

/* --- waiting --- */

static int wait_with(struct shelf *shelf, uint64_t number) {
    struct skep__submission submission = keyed("key");
    submission.client = 7;
    submission.number = number;
    const char *cause;
    return store_wait(shelf->store, shelf->queue, &submission, &cause);
}

static void assert_dead(struct shelf *shelf, const char *wanted) {
    struct skep__submission submission = keyed("key");
    const char *cause;
    assert_int_equal(store_wait(shelf->store, shelf->queue, &submission, &cause), SKEP_EDEAD);
    assert_string_equal(cause, wanted);
}

static unsigned count_waiters(const struct shelf *shelf, const struct skep__job *job, uint64_t *sum) {
    unsigned count = 0;
    *sum = 0;
    for (const struct skep__waiter *w = NULL; (w = shelf->kind->next_waiter(job, w)) != NULL; count++)
        *sum += w->number;
    return count;
}

static void test_who_waits_with_a_copy(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    uint64_t sum;
    submission.number = 1;
    submission.wants_outcome = true;
    shelf_put(&shelf, &submission, 0);
    assert_int_equal(wait_with(&shelf, 10), SKEP_OK);
    struct skep__job *job = shelf_take(&shelf, "x", 1);
    assert_int_equal(wait_with(&shelf, 100), SKEP_OK);
    assert_int_equal(count_waiters(&shelf, job, &sum), 3);
    assert_int_equal(sum, 111);
    assert_int_equal(wait_with(&shelf, 1000), SKEP_ENOJOB); /* it is being told */
    store_ack(shelf.store, job, 2);
    assert_int_equal(wait_with(&shelf, 1000), SKEP_ENOJOB);
    shelf_close(&shelf);
}

static void test_only_the_copies_are_waited_for(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    uint64_t sum;
    shelf_put(&shelf, &submission, 0);
    struct skep__job *job = shelf_take(&shelf, "x", 1);
    assert_false(job->wants_outcome);
    assert_int_equal(wait_with(&shelf, 10), SKEP_OK);
    assert_true(job->wants_outcome);
    assert_int_equal(count_waiters(&shelf, job, &sum), 1);
    assert_int_equal(sum, 10);
    store_bury(shelf.store, job, "expired", NULL, 2);
    assert_dead(&shelf, "expired");
    shelf.kind->revive(shelf.store, job, 3);
    assert_int_equal(wait_with(&shelf, 100), SKEP_OK);
    assert_int_equal(count_waiters(&shelf, job, &sum), 1);
    assert_int_equal(sum, 100);
    shelf_close(&shelf);
}

static void test_a_key_remembers_how_its_job_ended(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__job *job = dead_letter(&shelf, 10);
    assert_dead(&shelf, "refused");
    shelf.kind->revive(shelf.store, job, 11); /* open again */
    assert_int_equal(wait_with(&shelf, 1), SKEP_OK);
    job = shelf_take(&shelf, "x", 12);
    store_bury(shelf.store, job, "deaths", NULL, 13);
    shelf.kind->drop(shelf.store, job);
    assert_dead(&shelf, "deaths");
    assert_status(&shelf, "key", 13 + SHELF_DEDUP_MS, SKEP_OK); /* another job */
    store_ack(shelf.store, shelf_take(&shelf, "x", 2000), 2000);
    assert_int_equal(wait_with(&shelf, 2), SKEP_ENOJOB);
    shelf_close(&shelf);
}

static void test_those_who_wait_have_a_bound(void **state) {
    (void)state;
    struct shelf shelf = shelf_open(1000, 1000);
    struct skep__submission submission = keyed("key");
    unsigned count = 0;
    int status;
    shelf_put(&shelf, &submission, 0);
    while ((status = wait_with(&shelf, 1)) == SKEP_OK) count++;
    assert_int_equal(status, SKEP_EFULL);
    assert_in_range(count, 10, 2000 / skep__waiter_cost());
    store_ack(shelf.store, shelf_take(&shelf, "x", 1), 2); /* their memory is free again */
    submission = keyed("another");
    shelf_put(&shelf, &submission, 3);
    shelf_close(&shelf);
}

/* --- memory --- */

static struct skep__submission numbered(char key[16], unsigned number) {
    snprintf(key, 16, "key %u", number);
    return keyed(key);
}

static int put_numbered(struct shelf *shelf, unsigned number) {
    char key[16];
    uint64_t id;
    struct skep__submission submission = numbered(key, number);
    return store_put(shelf->store, shelf->queue, &submission, 0, &id);
}

static void do_numbered(struct shelf *shelf, unsigned number) {
    char key[16];
    struct skep__submission submission = numbered(key, number);
    shelf_put(shelf, &submission, 0);
    store_ack(shelf->store, shelf_take(shelf, "x", 1), 1);
}

static void test_keys_are_part_of_the_memory(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    submission.wants_outcome = true;
    shelf_put(&shelf, &submission, 0);
    size_t waiting_bytes = shelf.queue->shelf->bytes;
    assert_in_range(waiting_bytes, skep__key_cost(3) + skep__waiter_cost() + 1, 1000);
    store_ack(shelf.store, shelf_take(&shelf, "x", 1), 1);
    assert_int_equal(shelf.queue->shelf->bytes, skep__key_cost(3));
    assert_int_equal(skep__memory_shelf(shelf.queue->shelf)->ended_bytes, skep__key_cost(3));
    assert_null(shelf.kind->ripen(shelf.store, 1 + SHELF_DEDUP_MS));
    assert_int_equal(shelf.queue->shelf->bytes, 0);
    assert_int_equal(skep__memory_shelf(shelf.queue->shelf)->ended_bytes, 0);
    assert_int_equal(shelf.store->forgotten_early, 0);
    shelf.kind->drop(shelf.store, dead_letter(&shelf, 10)); /* its key alone is left */
    assert_int_equal(skep__memory_shelf(shelf.queue->shelf)->ended_bytes, shelf.queue->shelf->bytes);
    assert_null(shelf.kind->ripen(shelf.store, 10 + SHELF_DEDUP_MS));
    assert_int_equal(shelf.queue->shelf->bytes, 0);
    shelf_close(&shelf);
}

enum { LITTLE_BYTES = 10000, NUMBERED = 200, MANY = 900 };

/* A new job is not declined for their sake. */
static void test_keys_of_done_jobs_give_way(void **state) {
    (void)state;
    struct shelf shelf = shelf_open(1000, LITTLE_BYTES);
    for (unsigned i = 1; i <= NUMBERED; i++) {
        do_numbered(&shelf, i);
        assert_true(shelf.queue->shelf->bytes <= LITTLE_BYTES);
    }
    uint64_t forgotten = shelf.store->forgotten_early;
    assert_in_range(forgotten, NUMBERED / 2, NUMBERED - 10);
    assert_int_equal(put_numbered(&shelf, NUMBERED), SKEP_EDUPLICATE);
    assert_int_equal(put_numbered(&shelf, (unsigned)forgotten + 1), SKEP_EDUPLICATE); /* the first that is left */
    assert_int_equal(put_numbered(&shelf, (unsigned)forgotten), SKEP_OK);
    assert_int_equal(shelf.queue->shelf->declined, 0);
    shelf_close(&shelf);
}

/* That of all queues is more than that of one: keys of another queue go for it, too. */
static void test_keys_of_another_queue_give_way(void **state) {
    (void)state;
    struct shelf shelf = shelf_open(1000, LITTLE_BYTES);
    static const char *const names[] = {"first", "second", "third", "fourth"};
    struct skep__queue *queues[4];
    for (unsigned i = 0; i < 4; i++) {
        shelf.queue = queues[i] = skep__queues_get(shelf.queues, names[i], strlen(names[i]));
        for (unsigned n = 1; n <= NUMBERED; n++) do_numbered(&shelf, n);
    }
    assert_true(queues[1]->shelf->bytes + queues[2]->shelf->bytes + queues[3]->shelf->bytes <=
                (size_t)2 * LITTLE_BYTES);
    assert_int_equal(queues[0]->shelf->bytes, 0); /* they are the oldest */
    assert_true(queues[0]->empty);
    assert_true(queues[3]->shelf->bytes > LITTLE_BYTES / 2);
    shelf_close(&shelf);
}

static void test_no_key_is_forgotten_in_vain(void **state) {
    (void)state;
    static const char large[LITTLE_BYTES];
    struct shelf shelf = shelf_open(1000, LITTLE_BYTES);
    for (unsigned i = 1; i <= 20; i++) do_numbered(&shelf, i);
    uint64_t id;
    struct skep__submission submission = shelf_plain("");
    submission.data = large;
    submission.size_bytes = sizeof large;
    assert_int_equal(store_put(shelf.store, shelf.queue, &submission, 2, &id), SKEP_EFULL);
    for (unsigned i = 1; i <= 20; i++) assert_int_equal(put_numbered(&shelf, i), SKEP_EDUPLICATE);
    shelf_close(&shelf);
}

static void test_keys_that_are_held_stay(void **state) {
    (void)state;
    struct shelf shelf = shelf_open(1000, LITTLE_BYTES);
    unsigned count = 0;
    while (put_numbered(&shelf, count + 1) == SKEP_OK) count++;
    assert_in_range(count, 10, NUMBERED);
    assert_int_equal(put_numbered(&shelf, count + 1), SKEP_EFULL);
    for (unsigned i = 1; i <= count; i++) assert_int_equal(put_numbered(&shelf, i), SKEP_EDUPLICATE);
    assert_int_equal(shelf.store->forgotten_early, 0);
    shelf_close(&shelf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_queue_has_its_own),
        cmocka_unit_test(test_a_key_is_held_while_its_job_waits_or_runs),
        cmocka_unit_test(test_the_key_of_a_done_job_is_remembered_from_then_on),
        cmocka_unit_test(test_a_revived_job_holds_its_key_again),
        cmocka_unit_test(test_a_key_that_another_job_has_taken_stays_with_that),
        cmocka_unit_test(test_a_dropped_dead_letter_leaves_its_key),
        cmocka_unit_test(test_who_waits_with_a_copy),
        cmocka_unit_test(test_only_the_copies_are_waited_for),
        cmocka_unit_test(test_a_key_remembers_how_its_job_ended),
        cmocka_unit_test(test_those_who_wait_have_a_bound),
        cmocka_unit_test(test_keys_are_part_of_the_memory),
        cmocka_unit_test(test_keys_of_done_jobs_give_way),
        cmocka_unit_test(test_keys_of_another_queue_give_way),
        cmocka_unit_test(test_no_key_is_forgotten_in_vain),
        cmocka_unit_test(test_keys_that_are_held_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
