/* SPDX-License-Identifier: MIT
 * What workers are sent, and when they are sent nothing. */
#include "broker/ledger_bench.h"
#include "common/text.h"

enum { LEASE_MS = 100, WIDE = 10000 };

static struct bench_inlet inlet;

/* --- runs --- */

static void test_consecutive_jobs_travel_together(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, WIDE);
    bench_read_inbox(&bench, 0, &inlet);
    bench_submit(&bench, 100, 10);
    PUMP_UNTIL(bench.pump, inlet.jobs == 100);
    assert_int_equal(inlet.count, 1);
    assert_int_equal(inlet.runs[0].delivery, 1);
    assert_int_equal(inlet.runs[0].id, 1);
    assert_int_equal(inlet.runs[0].attempt, 1);
    assert_false(inlet.runs[0].redelivered);
    assert_int_equal(inlet.runs[0].size_bytes, 1000);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

static void assert_runs_follow(unsigned from, uint64_t jobs) {
    uint64_t next = 1;
    for (unsigned i = from; i < inlet.count; i++) {
        assert_int_equal(inlet.runs[i].delivery, next);
        assert_int_equal(inlet.runs[i].id, next);
        next += inlet.runs[i].count;
    }
    assert_int_equal(next - 1, jobs);
}

static void test_a_list_has_its_limit(void **state) {
    const unsigned jobs = 2 * SKEP_MAX_LIST;
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, WIDE);
    bench_read_inbox(&bench, 0, &inlet);
    bench_submit(&bench, jobs, 1);
    PUMP_UNTIL(bench.pump, inlet.jobs == jobs);
    assert_int_equal(inlet.count, 2);
    assert_int_equal(inlet.runs[0].count, SKEP_MAX_LIST);
    assert_int_equal(inlet.runs[1].count, SKEP_MAX_LIST);
    assert_runs_follow(0, jobs);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

/* Two deliveries that share a claim are never both unbegun. */
static void test_a_claim_is_used_again_when_its_job_has_begun(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, WIDE);
    bench_submit(&bench, SKEP_CLAIMS + 2, 1);
    bench_assert(&bench, 2, SKEP_CLAIMS, 0);
    bench_complete(child, 2, 10); /* these are not in the way */
    bench_assert(&bench, 2, SKEP_CLAIMS - 10, 10);
    assert_true(skep__claim_begin(child->page, 1, 0));
    skep__jobs_dispatch_to(child->holder);
    bench_assert(&bench, 0, SKEP_CLAIMS - 8, 10);
    bench_complete(child, 1, 1); /* a straggler */
    bench_assert(&bench, 0, SKEP_CLAIMS - 9, 11);
    bench_dismiss(child);
    bench_close(&bench);
}

/* What cannot be taken back is not sent ahead. */
static void test_a_worker_without_claims_gets_its_concurrency(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, 0);
    child->page->writes = 1;
    bench_handle(child, "q", 3);
    bench_submit(&bench, 100, 1);
    bench_assert(&bench, 97, 3, 0);
    for (unsigned i = 1; i < 20; i++) bench_complete(child, i, 1);
    assert_int_equal(bench_place(child)->held, 3);
    bench_dismiss(child);
    bench_close(&bench);
}

static void test_large_jobs_travel_alone(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, WIDE);
    bench_read_inbox(&bench, 0, &inlet);
    bench_submit(&bench, 4, SKEP_FULL_FRAME / 2);
    bench_submit(&bench, 1, SKEP_MAX_PAYLOAD);
    bench_submit(&bench, 2, SKEP_FULL_FRAME / 3);
    PUMP_UNTIL(bench.pump, inlet.jobs == 7);
    assert_runs_follow(0, 7);
    for (unsigned i = 0; i < inlet.count; i++)
        assert_true(inlet.runs[i].count == 1 || inlet.runs[i].size_bytes < SKEP_FULL_FRAME);
    assert_int_equal(inlet.runs[inlet.count - 1].count, 2);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

/* Numbers are those of the first job only: a run ends where they do not follow, and where attempts differ. */
static void test_a_run_is_consecutive(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, WIDE);
    bench_read_inbox(&bench, 0, &inlet);
    bench_submit(&bench, 6, 1);
    PUMP_UNTIL(bench.pump, inlet.jobs == 6);
    bench_complete(child, 3, 1);
    child->holder->ready = false; /* until all are back */
    skep__consumers_update(child->holder);
    bench_retry(child, 1);
    bench_retry(child, 2);
    bench_retry(child, 4);
    bench_submit(&bench, 2, 1); /* 7 and 8, behind them */
    child->holder->ready = true;
    skep__jobs_dispatch_to(child->holder);
    PUMP_UNTIL(bench.pump, inlet.jobs == 11);
    static const struct bench_run expected[] = {
        {.delivery = 7, .id = 1, .attempt = 2, .count = 2, .redelivered = true},
        {.delivery = 9, .id = 4, .attempt = 2, .count = 1, .redelivered = true},
        {.delivery = 10, .id = 7, .attempt = 1, .count = 2, .redelivered = false},
    };
    assert_int_equal(inlet.count, 4);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(inlet.runs[i + 1].delivery, expected[i].delivery);
        assert_int_equal(inlet.runs[i + 1].id, expected[i].id);
        assert_int_equal(inlet.runs[i + 1].attempt, expected[i].attempt);
        assert_int_equal(inlet.runs[i + 1].count, expected[i].count);
        assert_int_equal(inlet.runs[i + 1].redelivered, expected[i].redelivered);
    }
    assert_int_equal(bench.queue->redelivered, 3);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

/* --- who gets nothing --- */

static void test_a_full_inbox_waits_until_it_is_empty(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.job_credit_bytes = 64 << 20});
    skep_child *full = bench_hire(&bench, 0, WIDE);
    bench_submit(&bench, 10, SKEP_MAX_PAYLOAD); /* nobody reads them */
    assert_true(full->holder->inbox_full);
    uint64_t given = bench.queue->shelf->reserved_count;
    assert_in_range(given, SKEP_HIGH_WATER / SKEP_MAX_PAYLOAD, 9);
    bench_complete(full, 1, 1); /* makes no room in the inbox */
    bench_assert(&bench, 10 - given, given - 1, 1);
    bench_read_inbox(&bench, 0, &inlet);
    PUMP_UNTIL(bench.pump, inlet.jobs == 10);
    assert_runs_follow(0, 10);
    bench_assert(&bench, 0, 9, 1);
    bench_dismiss(full);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

static void test_a_full_inbox_leaves_jobs_to_others(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.job_credit_bytes = 64 << 20});
    skep_child *full = bench_hire(&bench, 0, WIDE);
    bench_submit(&bench, 6, SKEP_MAX_PAYLOAD);
    assert_true(full->holder->inbox_full);
    uint64_t given = bench_place(full)->held;
    assert_in_range(given, 1, 5);
    skep_child *other = bench_hire(&bench, 1, WIDE);
    assert_int_equal(bench_place(other)->held, 6 - given);
    bench_submit(&bench, 1, 1);
    bench_assert(&bench, 0, 7, 0);
    assert_int_equal(bench_place(full)->held, given);
    bench_dismiss(other);
    bench_dismiss(full);
    bench_close(&bench);
}

/* A worker whose lease has ended gets nothing while another can work. */
static void test_a_stalled_worker_waits_for_its_own_words(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.lease_ms = LEASE_MS});
    skep_child *stalled = bench_hire(&bench, 0, 9);
    bench_submit(&bench, 1, 1);
    assert_true(skep__claim_begin(stalled->page, 1, uv_hrtime() / 1000000));
    skep_child *works = bench_hire(&bench, 1, 9);
    PUMP_UNTIL(bench.pump, stalled->holder->stalled);
    bench_submit(&bench, 3, 1);
    assert_int_equal(bench_place(stalled)->held, 0);
    assert_int_equal(bench_place(works)->held, 4);
    bench_complete(stalled, 1, 1); /* late, but it lives */
    assert_false(stalled->holder->stalled);
    assert_int_equal(bench.queue->refused, 1);
    bench_submit(&bench, 2, 1);
    assert_int_equal(bench_place(stalled)->held, 1);
    bench_dismiss(works);
    bench_dismiss(stalled);
    bench_close(&bench);
}

/* If all are stalled, they are tried again: the jobs must end somewhere. */
static void test_stalled_workers_are_roused_when_nobody_else_is_there(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *a = bench_hire(&bench, 0, 1), *b = bench_hire(&bench, 1, 1);
    a->holder->stalled = b->holder->stalled = true;
    skep__consumers_update(a->holder);
    skep__consumers_update(b->holder);
    assert_int_equal(bench.queue->taker_count, 0);
    bench_submit(&bench, 2, 1);
    assert_false(a->holder->stalled || b->holder->stalled);
    assert_int_equal(bench_place(a)->held, 1);
    assert_int_equal(bench_place(b)->held, 1);
    bench_dismiss(a);
    bench_dismiss(b);
    bench_close(&bench);
}

static void test_nobody_is_roused_while_somebody_is_merely_busy(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *busy = bench_hire(&bench, 0, 1);
    bench_submit(&bench, 2, 1);
    skep_child *stalled = bench_hire(&bench, 1, 1);
    stalled->holder->stalled = true;
    skep__consumers_update(stalled->holder);
    bench_submit(&bench, 1, 1);
    assert_true(stalled->holder->stalled);
    bench_assert(&bench, 1, 2, 0);
    bench_dismiss(busy);
    bench_dismiss(stalled);
    bench_close(&bench);
}

/* --- places --- */

static void test_a_worker_of_two_queues(void **state) {
    struct bench bench;
    bench_open(&bench, *state, &(skep_settings){.job_credit_bytes = 10});
    skep_child *child = bench_hire(&bench, 0, 5);
    bench_handle(child, "r", 5);
    bench_submit(&bench, 3, 5);
    bench_assert(&bench, 1, 2, 0); /* bytes are counted over all queues */
    struct skep__queue *other = skep__queues_find(bench.cluster->jobs->queues, "r", 1);
    assert_non_null(other);
    assert_int_equal(other->taker_count, 0);
    assert_int_equal(other->consumer_count, 1);
    bench_complete(child, 1, 2);
    bench_assert(&bench, 0, 1, 2);
    assert_int_equal(other->taker_count, 1);
    bench_dismiss(child);
    assert_int_equal(other->consumer_count + bench.queue->consumer_count, 0);
    assert_int_equal(other->taker_count + bench.queue->taker_count, 0);
    bench_close(&bench);
}

static void test_handling_a_queue_again_changes_the_concurrency(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, 1);
    bench_submit(&bench, 20, 1);
    bench_assert(&bench, 18, 2, 0);
    bench_handle(child, "q", 9);
    bench_assert(&bench, 10, 10, 0);
    assert_int_equal(bench.queue->consumer_count, 1);
    struct skep_command_handle handle = {.queue = skep__text("q")}; /* 1 */
    assert_int_equal(skep__jobs_handle(child->holder, &handle), SKEP_OK);
    assert_int_equal(bench_place(child)->concurrency, 1);
    bench_complete(child, 1, 1);
    bench_assert(&bench, 10, 9, 1); /* it has more than its window */
    bench_dismiss(child);
    bench_close(&bench);
}

static void test_too_many_queues(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    for (unsigned i = 1; i < SKEP_MAX_QUEUES; i++)
        skep__queues_get(bench.cluster->jobs->queues, (const char *)&i, sizeof i)->paused = true;
    skep_child *child = bench_hire(&bench, 0, 1);
    struct skep_command_handle handle = {.queue = skep__text("one more")};
    assert_int_equal(skep__jobs_handle(child->holder, &handle), SKEP_EQUEUES);
    bench_dismiss(child);
    bench_close(&bench);
}

/* --- what cannot be sent --- */

/* The queue gets a name that no command can carry; a lack of memory is handled the same way. */
static void test_jobs_that_cannot_be_packed_stay(void **state) {
    struct bench bench;
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, 5);
    bench_submit(&bench, 1, 1);
    bench.queue->paused = true;
    bench_retry(child, 1); /* will be there the second time */
    for (unsigned i = 0; i < 3; i++) bench_put(&bench, 100);
    bench.queue->paused = false;
    memset(bench.queue->name, 'n', sizeof bench.queue->name);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    memset(bench.queue->name, '\0', sizeof bench.queue->name);
    bench.queue->name[0] = 'q';
    bench.queue->paused = true;
    bench_assert(&bench, 4, 0, 0);
    assert_int_equal(bench_place(child)->held, 0);
    assert_int_equal(child->holder->held_bytes, 0);
    assert_int_equal(bench.queue->redelivered, 0);
    const struct skep__job *first = bench.cluster->jobs->store->kind->first(bench.queue->shelf);
    assert_int_equal(first->id, 1);
    assert_int_equal(first->attempt, 1);
    bench_read_inbox(&bench, 0, &inlet);
    bench.queue->paused = false;
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    bench_assert(&bench, 0, 4, 0);
    PUMP_UNTIL(bench.pump, inlet.jobs == 5);
    assert_int_equal(inlet.runs[1].delivery, 2); /* no gap */
    assert_int_equal(inlet.runs[1].attempt, 2);
    bench_complete(child, 2, 4);
    bench_assert(&bench, 0, 0, 4);
    assert_int_equal(bench.cluster->jobs->stray_answers, 0);
    bench_dismiss(child);
    bench_close_inlet(&inlet);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_consecutive_jobs_travel_together),
        PUMP_TEST(test_a_list_has_its_limit),
        PUMP_TEST(test_a_claim_is_used_again_when_its_job_has_begun),
        PUMP_TEST(test_a_worker_without_claims_gets_its_concurrency),
        PUMP_TEST(test_large_jobs_travel_alone),
        PUMP_TEST(test_a_run_is_consecutive),
        PUMP_TEST(test_a_full_inbox_waits_until_it_is_empty),
        PUMP_TEST(test_a_full_inbox_leaves_jobs_to_others),
        PUMP_TEST(test_a_stalled_worker_waits_for_its_own_words),
        PUMP_TEST(test_stalled_workers_are_roused_when_nobody_else_is_there),
        PUMP_TEST(test_nobody_is_roused_while_somebody_is_merely_busy),
        PUMP_TEST(test_a_worker_of_two_queues),
        PUMP_TEST(test_handling_a_queue_again_changes_the_concurrency),
        PUMP_TEST(test_too_many_queues),
        PUMP_TEST(test_jobs_that_cannot_be_packed_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
