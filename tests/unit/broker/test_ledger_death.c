/* SPDX-License-Identifier: MIT
 * What leases and deaths do to jobs. */
#include "ledger_plain.h"

/* --- leases --- */

static void test_a_lease_ends(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.lease_ms = LEASE_MS, .attempts = 3});
    skep_child *hangs = hire(&bench, 0, 1);
    submit(&bench, 1);
    skep_child *works = hire(&bench, 1, 1);
    PUMP_UNTIL(bench.pump, held(works) == 1);
    assert_true(hangs->stalled); /* it gets nothing more */
    assert_int_equal(held(hangs), 0);
    complete(hangs, 1, 1);
    assert_int_equal(bench.queue->refused, 1); /* too late */
    assert_counts(&bench, 0, 1, 0, 0);
    assert_false(hangs->stalled);
    complete(works, 1, 1);
    assert_counts(&bench, 0, 0, 0, 1);
    dismiss(hangs);
    dismiss(works);
    close_bench(&bench);
}

/* Else its jobs would never come to an end. */
static void test_a_worker_alone_gets_the_job_again(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.lease_ms = LEASE_MS, .attempts = 2});
    skep_child *hangs = hire(&bench, 0, 1);
    submit(&bench, 1);
    PUMP_UNTIL(bench.pump, bench.queue->redelivered == 1);
    PUMP_UNTIL(bench.pump, bench.queue->dead_count == 1);
    assert_string_equal(dead_letter(&bench)->death->cause, "attempts");
    dismiss(hangs);
    close_bench(&bench);
}

static void test_an_extended_lease_does_not_end(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.lease_ms = LEASE_MS, .attempts = 3});
    skep_child *child = hire(&bench, 0, 2);
    submit(&bench, 2);
    struct skep_command_extend extend = {.delivery = 1};
    uint64_t deadline_ns = uv_hrtime() + PUMP_PATIENCE_MS * UINT64_C(1000000);
    while (bench.queue->redelivered == 0) { /* until the other's has: nobody else is there to do it */
        skep__ledger_extend(child, &extend);
        pump_turn(bench.pump, deadline_ns, PUMP_LOOK_MS, "a lease to end");
    }
    assert_counts(&bench, 0, 2, 0, 0);
    assert_int_equal(skep__deliveries_find(&child->deliveries, 1)->job->id, 1);
    assert_null(skep__deliveries_find(&child->deliveries, 2)->job);
    assert_int_equal(skep__deliveries_find(&child->deliveries, 3)->job->id, 2);
    dismiss(child);
    close_bench(&bench);
}

static void test_delays_and_times_to_live(void **state) {
    struct bench bench;
    uint64_t id;
    open_plain(&bench, *state);
    struct skep__submission submission = plain();
    submission.ttl_ms = 50;
    assert_int_equal(skep__ledger_submit(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    submission.ttl_ms = 0;
    submission.delay_ms = 60;
    assert_int_equal(skep__ledger_submit(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    skep__dispatch_jobs(bench.cluster, bench.queue);
    PUMP_UNTIL(bench.pump, bench.queue->dead_count == 1);
    assert_string_equal(dead_letter(&bench)->death->cause, "expired");
    PUMP_UNTIL(bench.pump, bench.queue->ready_count == 1);
    close_bench(&bench);
}

/* --- deaths --- */

static void die(skep_child *child) {
    child->exit_signal = 11;
    child->exit_code = -1;
    dismiss(child);
}

static void assert_deaths(const struct bench *bench, const char *expected) {
    const struct skep__job *job = NULL;
    for (; *expected != '\0'; expected++) {
        job = bench->cluster->store->kind->next(bench->cluster->store, bench->queue, SKEP__JOB_READY, job);
        assert_non_null(job);
        assert_int_equal(job->deaths, *expected - '0');
    }
}

static void test_the_page_tells_who_is_to_blame(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 5);
    bench.page = (struct skep_page){.writes = 1, .begun = 3, .running = 3};
    child->page = &bench.page;
    die(child);
    assert_counts(&bench, 5, 0, 0, 0);
    assert_deaths(&bench, "00100");
    const struct skep__job *job = NULL;
    for (unsigned id = 1; id <= 5; id++) {
        job = bench.cluster->store->kind->next(bench.cluster->store, bench.queue, SKEP__JOB_READY, job);
        assert_int_equal(job->id, id);           /* in their order */
        assert_int_equal(job->attempt, id <= 3); /* later ones were never begun */
    }
    close_bench(&bench);
}

static void test_kept_jobs_are_suspects_when_no_handler_ran(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 2);
    submit(&bench, 3);
    bench.page = (struct skep_page){.writes = 1, .begun = 2};
    child->page = &bench.page;
    die(child);
    assert_deaths(&bench, "110");
    close_bench(&bench);
}

static void test_without_a_page_the_first_are_suspects(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 3);
    submit(&bench, 4);
    complete(child, 1, 1);
    die(child);
    assert_deaths(&bench, "111");
    close_bench(&bench);
}

static void test_nobody_is_blamed_for_an_end_that_was_asked_for(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 3);
    submit(&bench, 2);
    child->voluntary = true;
    die(child);
    assert_deaths(&bench, "00");
    close_bench(&bench);
}

static void test_a_job_that_kills_is_quarantined(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    submit(&bench, 1);
    for (uint32_t place = 0; place < 2; place++) {
        assert_counts(&bench, 1, 0, 0, 0);
        die(hire(&bench, place, 1));
    }
    assert_counts(&bench, 0, 0, 1, 0);
    const struct skep__death *death = dead_letter(&bench)->death;
    assert_string_equal(death->cause, "deaths");
    assert_int_equal(death->exit.signal, 11);
    assert_int_equal(death->exit.worker, 2);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_lease_ends),
        PUMP_TEST(test_a_worker_alone_gets_the_job_again),
        PUMP_TEST(test_an_extended_lease_does_not_end),
        PUMP_TEST(test_delays_and_times_to_live),
        PUMP_TEST(test_the_page_tells_who_is_to_blame),
        PUMP_TEST(test_kept_jobs_are_suspects_when_no_handler_ran),
        PUMP_TEST(test_without_a_page_the_first_are_suspects),
        PUMP_TEST(test_nobody_is_blamed_for_an_end_that_was_asked_for),
        PUMP_TEST(test_a_job_that_kills_is_quarantined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
