/* SPDX-License-Identifier: MIT
 * Leases: they measure work, and not waiting. */
#include "broker/ledger_plain.h"

static void open_leases(struct bench *bench, struct pump *pump, unsigned attempts) {
    open_bench(bench, pump, &(skep_settings){.lease_ms = LEASE_MS, .attempts = attempts});
}

/* Until the clock has gone on by so much. */
static void pass(struct bench *bench, uint64_t ms) {
    uint64_t until_ms = skep__clock_ms(bench->cluster->clock) + ms;
    PUMP_LOOK_UNTIL(bench->pump, skep__clock_ms(bench->cluster->clock) >= until_ms);
}

static void test_a_lease_ends(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 3);
    skep_child *hangs = hire(&bench, 0, 1);
    submit(&bench, 1);
    begin(hangs, 1, 1);
    skep_child *works = hire(&bench, 1, 1);
    PUMP_UNTIL(bench.pump, held(works) == 1);
    assert_true(hangs->holder->stalled); /* it gets nothing more */
    assert_int_equal(held(hangs), 0);
    complete(hangs, 1, 1);
    assert_int_equal(bench.queue->refused, 1); /* too late */
    assert_counts(&bench, 0, 1, 0, 0);
    assert_false(hangs->holder->stalled);
    begin(works, 1, 1);
    complete(works, 1, 1);
    assert_counts(&bench, 0, 0, 0, 1);
    dismiss(hangs);
    dismiss(works);
    close_bench(&bench);
}

/* Else its jobs would never come to an end. */
static void test_a_worker_alone_gets_the_job_again(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 3);
    skep_child *hangs = hire(&bench, 0, 1);
    submit(&bench, 1);
    for (uint64_t n = 1; n <= 3; n++) {
        PUMP_UNTIL(bench.pump, bench.queue->redelivered == n - 1);
        begin(hangs, n, 1);
    }
    PUMP_UNTIL(bench.pump, bench.queue->shelf->dead_count == 1);
    assert_string_equal(dead_letter(&bench)->death->cause, "attempts");
    dismiss(hangs);
    close_bench(&bench);
}

/* Whether it has begun what it was sent after the first lease ended, nobody knows: that is no failure. */
static void test_a_silent_worker_without_a_page(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 2);
    skep_child *hangs = hire(&bench, 0, 1);
    hangs->page->writes = 0;
    submit(&bench, 1);
    PUMP_UNTIL(bench.pump, bench.queue->redelivered == 2); /* that is, two leases have ended */
    assert_true(hangs->holder->silent_since_ms > 0);
    uint64_t number = hangs->holder->deliveries.next - 1;
    const struct skep__job *job = skep__deliveries_find(&hangs->holder->deliveries, number)->job;
    assert_int_equal(job->failures, 1);
    assert_int_equal(job->attempt, 3);
    complete(hangs, number, 1);
    assert_counts(&bench, 0, 0, 0, 1);
    assert_int_equal(hangs->holder->silent_since_ms, 0);
    dismiss(hangs);
    close_bench(&bench);
}

static void test_what_waits_has_no_lease(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 2);
    skep_child *child = hire(&bench, 0, 2);
    submit(&bench, 2);
    pass(&bench, UINT64_C(3) * LEASE_MS);
    assert_counts(&bench, 0, 2, 0, 0);
    assert_true(bench.queue->taken_back > 0); /* it was sent again, since it may have been lost on its way */
    begin(child, child->holder->deliveries.first, 1);
    PUMP_UNTIL(bench.pump, bench.queue->redelivered == 1); /* only the one that was begun */
    assert_counts(&bench, 0, 2, 0, 0);
    unsigned attempts = 0;
    for (uint64_t n = 0; (n = skep__deliveries_after(&child->holder->deliveries, n)) != 0;) {
        const struct skep__job *job = skep__deliveries_find(&child->holder->deliveries, n)->job;
        if (job != NULL) attempts = attempts * 10 + job->attempt;
    }
    assert_int_equal(attempts, 12); /* the other one goes first, and has cost no attempt */
    dismiss(child);
    close_bench(&bench);
}

/* A job that had waited, and was at work while the broker, and perhaps the worker, stood still. */
static void test_a_lease_begins_again_after_a_gap(void **state) {
    enum { WAITED_MS = 50, GAP_MS = 1500 };
    struct bench bench;
    open_leases(&bench, *state, 2);
    skep_child *child = hire(&bench, 0, 1);
    submit(&bench, 1);
    pass(&bench, WAITED_MS);
    begin(child, 1, 1);
    pump_stall(GAP_MS);
    uv_update_time(&bench.pump->loop);
    uint64_t now_ms = skep__clock_ms(bench.cluster->clock);
    const struct skep__job *job = skep__deliveries_find(&child->holder->deliveries, 1)->job;
    assert_in_range(skep__lease_end_ms(child->holder, job, now_ms), now_ms + LEASE_MS, now_ms + LEASE_MS + WAITED_MS);
    PUMP_UNTIL(bench.pump, bench.queue->redelivered == 1);
    dismiss(child);
    close_bench(&bench);
}

static void test_an_extended_lease_does_not_end(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 3);
    skep_child *child = hire(&bench, 0, 2);
    submit(&bench, 2);
    begin(child, 1, 2);
    struct skep_command_extend extend = {.delivery = 1};
    uint64_t deadline_ns = uv_hrtime() + PUMP_PATIENCE_MS * UINT64_C(1000000);
    while (bench.queue->redelivered == 0) { /* until the other's has: nobody else is there to do it */
        skep__jobs_extended(child->holder, &extend);
        pump_turn(bench.pump, deadline_ns, PUMP_LOOK_MS, "a lease to end");
    }
    assert_counts(&bench, 0, 2, 0, 0);
    assert_int_equal(skep__deliveries_find(&child->holder->deliveries, 1)->job->id, 1);
    assert_null(skep__deliveries_find(&child->holder->deliveries, 2)->job);
    assert_int_equal(skep__deliveries_find(&child->holder->deliveries, 3)->job->id, 2);
    dismiss(child);
    close_bench(&bench);
}

/* Its own, else the queue's, else the broker's. */
static void test_which_lease_it_is(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 3);
    struct skep__job job = {.queue = bench.queue};
    assert_int_equal(skep__lease_ms(bench.cluster->jobs, &job), LEASE_MS);
    assert_int_equal(skep_setup_queue(bench.cluster, "q", &(skep_queue_options){.lease_ms = 5000}), SKEP_OK);
    assert_int_equal(skep__lease_ms(bench.cluster->jobs, &job), 5000);
    job.lease_ms = 700;
    assert_int_equal(skep__lease_ms(bench.cluster->jobs, &job), 700);
    close_bench(&bench);
}

/* A job of its own lease travels alone, so that its worker learns of it. */
static void test_a_short_lease_among_long_ones(void **state) {
    struct bench bench;
    uint64_t id;
    open_bench(&bench, *state, &(skep_settings){.lease_ms = 3600000, .attempts = 1});
    skep_child *child = hire(&bench, 0, 3);
    submit(&bench, 1);
    struct skep__submission submission = plain();
    submission.attempts = 1;
    submission.lease_ms = LEASE_MS;
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    submit(&bench, 1);
    begin(child, 1, 3);
    PUMP_UNTIL(bench.pump, bench.queue->shelf->dead_count == 1);
    assert_int_equal(dead_letter(&bench)->id, 2);
    assert_counts(&bench, 0, 2, 1, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_backoff_doubles(void **state) {
    struct bench bench;
    open_leases(&bench, *state, 10);
    const skep_queue_options options = {.backoff_ms = 1000, .backoff_max_ms = 3000, .attempts = 10};
    assert_int_equal(skep_setup_queue(bench.cluster, "q", &options), SKEP_OK);
    struct skep__submission submission = plain();
    uint64_t id;
    submission.attempts = skep__jobs_attempts(bench.cluster->jobs, bench.queue, 0);
    assert_int_equal(submission.attempts, 10);
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    skep_child *child = hire(&bench, 0, 1);
    struct skep__job *job = skep__deliveries_find(&child->holder->deliveries, 1)->job;
    static const unsigned expected_ms[] = {1000, 2000, 3000, 3000};
    const struct skep_bytes none = {0};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t now_ms = skep__clock_ms(bench.cluster->clock);
        if (i == 0) skep__deliveries_settle(&child->holder->deliveries, 1), skep__consumer_let_go(job);
        else bench.cluster->jobs->store->kind->ripen(bench.cluster->jobs->store, UINT64_MAX);
        if (i > 0) bench.cluster->jobs->store->kind->reserve(bench.cluster->jobs->store, job, now_ms);
        skep__ledger_put_off(bench.cluster->jobs, job, 0, &none, NULL);
        later_settle(bench.cluster);
        assert_int_equal(job->state, SKEP__JOB_DELAYED);
        assert_int_equal(job->at_ms - now_ms, expected_ms[i]);
    }
    dismiss(child);
    close_bench(&bench);
}

/* What a worker was sent and has not begun expires; what it has begun does not. */
static void test_times_to_live_of_what_was_sent(void **state) {
    struct bench bench;
    uint64_t id;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 2);
    struct skep__submission submission = plain();
    submission.ttl_ms = 50;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    begin(child, 1, 1);
    PUMP_UNTIL(bench.pump, bench.queue->shelf->dead_count == 1);
    pass(&bench, 100);
    assert_counts(&bench, 0, 1, 1, 0);
    assert_int_equal(dead_letter(&bench)->id, 2);
    assert_int_equal(dead_letter(&bench)->attempt, 0);
    assert_false(skep__claim_begin(child->page, 2, 0));
    complete(child, 1, 1);
    assert_counts(&bench, 0, 0, 1, 1);
    dismiss(child);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_lease_ends),
        PUMP_TEST(test_a_worker_alone_gets_the_job_again),
        PUMP_TEST(test_a_silent_worker_without_a_page),
        PUMP_TEST(test_what_waits_has_no_lease),
        PUMP_TEST(test_a_lease_begins_again_after_a_gap),
        PUMP_TEST(test_an_extended_lease_does_not_end),
        PUMP_TEST(test_which_lease_it_is),
        PUMP_TEST(test_a_short_lease_among_long_ones),
        PUMP_TEST(test_backoff_doubles),
        PUMP_TEST(test_times_to_live_of_what_was_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
