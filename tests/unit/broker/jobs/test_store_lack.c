/* SPDX-License-Identifier: MIT
 * A store without memory: what cannot be kept whole is refused, and leaves nothing behind. */
#include "broker/shelf.h"
#include "scarce.h"

#include <stdio.h>

#include "jobs/store_keys.h"

enum { MANY = 900 };

static struct skep__submission keyed(const char *key) {
    struct skep__submission submission = shelf_plain("x");
    submission.key = key;
    submission.key_bytes = strlen(key);
    return submission;
}

static unsigned left; /* allocations that there is memory for */

static bool has_a_few(size_t size_bytes) {
    (void)size_bytes;
    return left > 0 && left-- > 0;
}

static int put_with(struct shelf *shelf, const struct skep__submission *submission, unsigned allocations) {
    uint64_t id;
    left = allocations;
    scarce_has = has_a_few;
    int status = store_put(shelf->store, shelf->queue, submission, 0, &id);
    scarce_has = NULL;
    return status;
}

/* A job without its key could be there twice. */
static void test_a_job_with_a_key(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission submission = keyed("key");
    int status = SKEP_ENOMEM;
    submission.wants_outcome = true;
    submission.ttl_ms = 1000;
    for (unsigned steps = 0; status == SKEP_ENOMEM; steps++) {
        assert_true(steps < 20);
        status = put_with(&shelf, &submission, steps);
        assert_int_equal(HASH_COUNT(skep__memory_shelf(shelf.queue->shelf)->keys), status == SKEP_OK);
        assert_int_equal(shelf.queue->shelf->ready_count, status == SKEP_OK);
        assert_int_equal(shelf.queue->shelf->bytes > 0, status == SKEP_OK);
    }
    assert_int_equal(status, SKEP_OK);
    assert_int_equal(put_with(&shelf, &submission, MANY), SKEP_EDUPLICATE);
    shelf_close(&shelf);
}

/* Many keys, of which now and then one meets a table that cannot grow. */
static void test_a_table_that_cannot_grow(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    struct skep__submission first = keyed("first");
    unsigned refused = 0;
    shelf_put(&shelf, &first, 0);
    for (unsigned i = 1; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        struct skep__submission submission = keyed(name);
        refused += put_with(&shelf, &submission, 2) == SKEP_ENOMEM; /* the job, the key */
        assert_int_equal(HASH_COUNT(skep__memory_shelf(shelf.queue->shelf)->keys), i + 1 - refused);
    }
    assert_in_range(refused, 1, MANY);
    assert_int_equal(put_with(&shelf, &first, 0), SKEP_EDUPLICATE);
    shelf_close(&shelf);
}

static void test_a_new_queue(void **state) {
    (void)state;
    struct shelf shelf = shelf_open_large();
    scarce_has = scarce_nothing;
    const struct skep__queue *queue = skep__queues_get(shelf.queues, "new", 3);
    scarce_has = NULL;
    assert_null(queue);
    assert_int_equal(shelf.queues->failure, SKEP_ENOMEM);
    assert_non_null(skep__queues_get(shelf.queues, "new", 3));
    shelf_close(&shelf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_with_a_key),
        cmocka_unit_test(test_a_table_that_cannot_grow),
        cmocka_unit_test(test_a_new_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
