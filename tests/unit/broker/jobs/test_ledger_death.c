/* SPDX-License-Identifier: MIT
 * What deaths of workers do to their jobs, and time to those that wait. */
#include "broker/ledger_plain.h"

static void test_delays_and_times_to_live(void **state) {
    struct bench bench;
    uint64_t id;
    open_plain(&bench, *state);
    struct skep__submission submission = plain();
    submission.ttl_ms = 50;
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    submission.ttl_ms = 0;
    submission.delay_ms = 60;
    assert_int_equal(ledger_put(bench.cluster, bench.queue, &submission, &id), SKEP_OK);
    skep__jobs_dispatch_queue(bench.cluster->jobs, bench.queue);
    PUMP_UNTIL(bench.pump, bench.queue->shelf->dead_count == 1);
    assert_string_equal(dead_letter(&bench)->death->cause, "expired");
    PUMP_UNTIL(bench.pump, bench.queue->shelf->ready_count == 1);
    close_bench(&bench);
}

/* --- stops --- */

static void assert_losable(const struct bench *bench, bool now, uint64_t jobs, uint64_t dead) {
    uint64_t dead_letters;
    assert_int_equal(skep__jobs_losable(bench->cluster->jobs, now, &dead_letters), jobs);
    assert_int_equal(dead_letters, dead);
}

static void test_what_a_stop_would_lose(void **state) {
    struct skep_command_fail fail = {.delivery = 1};
    struct bench bench;
    if (later_jobs_dir("") != NULL) skip(); /* nothing */
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 4), *killed = hire(&bench, 1, 1);
    submit(&bench, 7);
    begin(child, 1, 3);
    begin(killed, 1, 1);
    skep__jobs_failed(child->holder, &fail);
    later_settle(child->cluster);
    assert_losable(&bench, false, 3, 1);
    assert_losable(&bench, true, 6, 1);
    killed->reason = "watchdog"; /* it finishes nothing any more */
    assert_losable(&bench, false, 4, 1);
    bench.cluster->jobs->stopping = true; /* nobody begins anything any more */
    assert_losable(&bench, false, 0, 0);
    assert_losable(&bench, true, 2, 0);
    bench.cluster->jobs->stopping = false;
    dismiss(killed);
    dismiss(child);
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
        job = bench->cluster->jobs->store->kind->next(bench->cluster->jobs->store, bench->queue->shelf, SKEP__JOB_READY,
                                                      job);
        assert_non_null(job);
        assert_int_equal(job->deaths, *expected - '0');
    }
}

static void test_the_page_tells_who_is_to_blame(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 5);
    begin(child, 1, 3);
    child->page->running = 3;
    die(child);
    assert_counts(&bench, 5, 0, 0, 0);
    assert_deaths(&bench, "00100");
    const struct skep__job *job = NULL;
    for (unsigned id = 1; id <= 5; id++) {
        job = bench.cluster->jobs->store->kind->next(bench.cluster->jobs->store, bench.queue->shelf, SKEP__JOB_READY,
                                                     job);
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
    begin(child, 1, 2);
    die(child);
    assert_deaths(&bench, "110");
    close_bench(&bench);
}

static void test_without_a_page_the_first_are_suspects(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 3);
    submit(&bench, 4);
    child->page->writes = 0;
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
    begin(child, 1, 2);
    child->voluntary = true;
    die(child);
    assert_deaths(&bench, "00");
    close_bench(&bench);
}

/* A worker of another language that keeps the page's older fields only: later deliveries have not begun. */
static void test_a_page_without_claims(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 4);
    submit(&bench, 4);
    *child->page = (struct skep_page){.writes = 1, .begun = 2, .running = 2};
    die(child);
    assert_deaths(&bench, "0100");
    assert_int_equal(bench.queue->redelivered, 0);
    close_bench(&bench);
}

static void count_notices(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    *(unsigned *)context += strstr(event->reason, "job 1 of q was interrupted ") != NULL;
}

static void interrupt(struct bench *bench, uint32_t place) {
    skep_child *child = hire(bench, place, 1);
    begin(child, child->holder->deliveries.next - 1, 1);
    child->voluntary = true;
    die(child);
    pump_turns(bench->pump, 2);
}

/* It is nobody's fault, and costs nothing; but it is said after 4, 8, 16 times. */
static void test_interruptions_are_counted_and_said(void **state) {
    struct bench bench;
    unsigned notices = 0;
    open_plain(&bench, *state);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_ERROR, count_notices, &notices), SKEP_OK);
    submit(&bench, 1);
    for (uint32_t i = 0; i < 9; i++) interrupt(&bench, i);
    assert_counts(&bench, 1, 0, 0, 0);
    const struct skep__job *job = bench.cluster->jobs->store->kind->first(bench.queue->shelf);
    assert_int_equal(job->interruptions, 9);
    assert_int_equal(job->failures, 0);
    assert_int_equal(bench.queue->interrupted, 9);
    assert_int_equal(notices, 2);
    close_bench(&bench);
}

static void test_interruptions_can_be_limited(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    assert_int_equal(skep_setup_queue(bench.cluster, "q", &(skep_queue_options){.interruptions = 2}), SKEP_OK);
    submit(&bench, 1);
    interrupt(&bench, 0);
    assert_counts(&bench, 1, 0, 0, 0);
    interrupt(&bench, 1);
    assert_counts(&bench, 0, 0, 1, 0);
    assert_string_equal(dead_letter(&bench)->death->cause, "interrupted");
    assert_string_equal(dead_letter(&bench)->death->reason,
                        "2 workers ended before it was done; the last was killed by SIGSEGV");
    close_bench(&bench);
}

static void test_a_job_that_kills_is_quarantined(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    submit(&bench, 1);
    for (uint32_t place = 0; place < 2; place++) {
        assert_counts(&bench, 1, 0, 0, 0);
        skep_child *child = hire(&bench, place, 1);
        begin(child, 1, 1);
        die(child);
    }
    assert_counts(&bench, 0, 0, 1, 0);
    const struct skep__death *death = dead_letter(&bench)->death;
    assert_string_equal(death->cause, "deaths");
    assert_int_equal(death->exit.signal, 11);
    assert_int_equal(death->exit.worker, 2);
    assert_string_equal(death->reason, "2 workers died of it; the last was killed by SIGSEGV");
    close_bench(&bench);
}

static void test_a_watchdog_is_named(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.attempts = 3, .deaths = 1});
    submit(&bench, 1);
    skep_child *child = hire(&bench, 0, 1);
    begin(child, 1, 1);
    child->reason = "watchdog";
    child->exit_signal = 9;
    child->exit_code = -1;
    dismiss(child);
    assert_string_equal(dead_letter(&bench)->death->reason,
                        "1 worker died of it; the last was killed by SIGKILL (watchdog)");
    close_bench(&bench);
}

/* One that is at work for so long that all numbers since have been used again. */
static void test_a_straggler_is_not_forgotten(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 2);
    submit(&bench, 1);
    begin(child, 1, 1);
    run_past(&bench, child, SKEP_CLAIMS + 1);
    assert_true(skep__deliveries_is_straggler(&child->holder->deliveries, 1));
    assert_int_equal(held(child), 1);
    assert_counts(&bench, 0, 1, 0, SKEP_CLAIMS);
    die(child);
    assert_counts(&bench, 1, 0, 0, SKEP_CLAIMS);
    assert_int_equal(bench.cluster->jobs->store->kind->first(bench.queue->shelf)->deaths, 1);
    close_bench(&bench);
}

/* They go to others when the link has ended for a while, which may be long before the process ends. */
static void test_jobs_count_before_and_after_they_are_given_back(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 4);
    submit(&bench, 3);
    assert_int_equal(held(child), 3);
    complete(child, 1, 1);
    assert_int_equal(skep__jobs_had(child->holder), 2);
    child->holder->ready = false;
    skep__jobs_link_closed(child->holder);
    PUMP_UNTIL(bench.pump, held(child) == 0);
    assert_int_equal(skep__jobs_had(child->holder), 2);
    dismiss(child);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_jobs_count_before_and_after_they_are_given_back),
        PUMP_TEST(test_delays_and_times_to_live),
        PUMP_TEST(test_what_a_stop_would_lose),
        PUMP_TEST(test_the_page_tells_who_is_to_blame),
        PUMP_TEST(test_kept_jobs_are_suspects_when_no_handler_ran),
        PUMP_TEST(test_without_a_page_the_first_are_suspects),
        PUMP_TEST(test_nobody_is_blamed_for_an_end_that_was_asked_for),
        PUMP_TEST(test_a_page_without_claims),
        PUMP_TEST(test_a_straggler_is_not_forgotten),
        PUMP_TEST(test_interruptions_are_counted_and_said),
        PUMP_TEST(test_interruptions_can_be_limited),
        PUMP_TEST(test_a_job_that_kills_is_quarantined),
        PUMP_TEST(test_a_watchdog_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
