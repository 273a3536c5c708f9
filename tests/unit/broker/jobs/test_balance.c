/* SPDX-License-Identifier: MIT
 * Taking back: jobs that wait behind others go to workers that could begin them. */
#include "broker/ledger_plain.h"
#include "common/text.h"

/* Two workers of which one has begun a long job, and was sent more. */
static void test_an_idle_worker_gets_what_waits(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *blocked = hire(&bench, 0, 1);
    submit(&bench, 2);
    begin(blocked, 1, 1);
    assert_int_equal(held(blocked), 2);
    skep_child *idle = hire(&bench, 1, 1);
    PUMP_UNTIL(bench.pump, held(idle) == 1);
    assert_int_equal(held(blocked), 1);
    const struct skep__job *job = skep__deliveries_find(&idle->holder->deliveries, 1)->job;
    assert_int_equal(job->id, 2);
    assert_int_equal(job->attempt, 1); /* it was not begun before */
    assert_int_equal(bench.queue->redelivered, 0);
    assert_int_equal(bench.queue->taken_back, 1);
    assert_false(skep__claim_begin(blocked->page, 2, 0)); /* not even if it finds it in its inbox now */
    assert_null(skep__deliveries_find(&blocked->holder->deliveries, 2));
    dismiss(idle);
    dismiss(blocked);
    close_bench(&bench);
}

static void test_what_has_begun_stays(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *busy = hire(&bench, 0, 1);
    submit(&bench, 2);
    begin(busy, 1, 2); /* it has answered the first, though nobody has read that yet */
    skep_child *idle = hire(&bench, 1, 1);
    pump_turns(bench.pump, 3);
    PUMP_UNTIL(bench.pump, !skep__alarm_is_set(&bench.cluster->jobs->balance_alarm));
    assert_int_equal(held(busy), 2);
    assert_int_equal(held(idle), 0);
    dismiss(idle);
    dismiss(busy);
    close_bench(&bench);
}

/* The first to be taken are those that would wait for longest; they keep their order. */
static void test_as_many_as_are_wanted_in_their_order(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *blocked[2];
    for (uint32_t i = 0; i < 2; i++) {
        blocked[i] = hire(&bench, i, 1);
        place_of(blocked[i])->window = 10;
    }
    submit(&bench, 20);
    begin(blocked[0], 1, 1);
    begin(blocked[1], 1, 1);
    skep_child *idle = hire(&bench, 2, 4);
    PUMP_UNTIL(bench.pump, held(idle) == 5); /* its window */
    uint64_t before = 0;
    for (uint64_t n = 0; (n = skep__deliveries_after(&idle->holder->deliveries, n)) != 0;) {
        const struct skep__job *job = skep__deliveries_find(&idle->holder->deliveries, n)->job;
        assert_true(job->id > before);
        before = job->id;
    }
    assert_int_equal(held(blocked[0]) + held(blocked[1]), 15);
    assert_in_range(held(blocked[0]), 7, 8);
    dismiss(idle);
    dismiss(blocked[0]);
    dismiss(blocked[1]);
    close_bench(&bench);
}

/* --- workers of two queues --- */

static struct skep__queue *queue_r(struct bench *bench) {
    return skep__queues_get(bench->cluster->jobs->queues, "r", 1);
}

static skep_child *hire_for_both(struct bench *bench, uint32_t place) {
    skep_child *child = hire(bench, place, 1);
    struct skep_command_handle handle = {.queue = skep__text("r")};
    assert_int_equal(skep__jobs_handle(child->holder, &handle), SKEP_OK);
    return child;
}

static void submit_other(struct bench *bench, struct skep__queue *other) {
    struct skep__submission submission = plain();
    uint64_t id;
    assert_int_equal(ledger_put(bench->cluster, other, &submission, &id), SKEP_OK);
    skep__jobs_dispatch_queue(bench->cluster->jobs, other);
}

/* A handler of one queue holds up the jobs of another. */
static void test_a_worker_of_two_queues(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    struct skep__queue *other = queue_r(&bench);
    skep_child *blocked = hire_for_both(&bench, 0);
    submit(&bench, 1);
    begin(blocked, 1, 1);
    submit_other(&bench, other);
    assert_int_equal(other->shelf->reserved_count, 1);
    skep_child *idle = hire_for_both(&bench, 1);
    PUMP_UNTIL(bench.pump, other->taken_back == 1);
    assert_ptr_equal(skep__deliveries_find(&idle->holder->deliveries, 1)->queue, other);
    dismiss(idle);
    dismiss(blocked);
    close_bench(&bench);
}

/* A handler that has run for long. */
static void hold_up(skep_child *child, uint64_t delivery) {
    child->page->running = delivery;
    assert_true(skep__claim_begin(child->page, delivery, uv_hrtime() / 1000000 - 1000));
}

/* It would only wait elsewhere. */
static void test_it_stays_when_all_are_held_up(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    struct skep__queue *other = queue_r(&bench);
    skep_child *workers[2];
    for (uint32_t i = 0; i < 2; i++) workers[i] = hire_for_both(&bench, i);
    submit(&bench, 2);
    for (unsigned i = 0; i < 2; i++) hold_up(workers[i], 1);
    submit_other(&bench, other);
    uint64_t before_ms = skep__clock_ms(bench.cluster->clock);
    PUMP_UNTIL(bench.pump, skep__clock_ms(bench.cluster->clock) > before_ms + 100); /* it has looked more than once */
    assert_int_equal(other->taken_back, 0);
    const struct skep__consumer *waits = LIST_FIRST(&other->consumers);
    if (waits->held == 0) waits = LIST_NEXT(waits, of_queue);
    skep_child *free = waits->holder == workers[0]->holder ? workers[1] : workers[0];
    free->page->running = 0; /* its handler has returned, and kept the job, of which the broker hears nothing */
    PUMP_UNTIL(bench.pump, other->taken_back == 1);
    assert_int_equal(waits->held, 0);
    for (unsigned i = 0; i < 2; i++) dismiss(workers[i]);
    close_bench(&bench);
}

/* Both have more to do than they get to: it would never begin if it went from one to the other and back. */
static void test_it_stays_behind_the_backlog_of_another_queue(void **state) {
    enum { JOBS = 10, QUICK_JOB_MS = 10 };
    struct bench bench;
    open_plain(&bench, *state);
    struct skep__queue *other = queue_r(&bench);
    skep_child *workers[2];
    for (uint32_t i = 0; i < 2; i++) {
        workers[i] = hire(&bench, i, 1);
        place_of(workers[i])->window = JOBS;
    }
    submit(&bench, 2 * JOBS);
    for (unsigned i = 0; i < 2; i++) {
        struct skep_command_handle handle = {.queue = skep__text("r")};
        assert_int_equal(skep__jobs_handle(workers[i]->holder, &handle), SKEP_OK);
    }
    submit_other(&bench, other);
    for (uint64_t n = 1; n < JOBS; n++) { /* the last one waits */
        for (unsigned i = 0; i < 2; i++) begin(workers[i], n, 1);
        uint64_t before_ms = skep__clock_ms(bench.cluster->clock);
        PUMP_UNTIL(bench.pump, skep__clock_ms(bench.cluster->clock) >= before_ms + QUICK_JOB_MS);
    }
    assert_int_equal(other->taken_back, 0);
    for (unsigned i = 0; i < 2; i++) dismiss(workers[i]);
    close_bench(&bench);
}

/* What waits for a job that is kept does not keep the loop from others. */
static void test_a_kept_job_is_no_backlog(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    struct skep__queue *other = queue_r(&bench);
    skep_child *keeps = hire(&bench, 0, 1);
    submit(&bench, 2);
    hold_up(keeps, 1);
    keeps->page->running = 0;
    skep_child *blocked = hire_for_both(&bench, 1);
    submit_other(&bench, other);
    hold_up(blocked, 1);
    submit_other(&bench, other);
    assert_int_equal(other->shelf->reserved_count, 2);
    struct skep_command_handle handle = {.queue = skep__text("r")};
    assert_int_equal(skep__jobs_handle(keeps->holder, &handle), SKEP_OK);
    PUMP_UNTIL(bench.pump, other->taken_back == 1);
    dismiss(keeps);
    dismiss(blocked);
    close_bench(&bench);
}

/* A job that waits where a long one is at work does not keep the worker from its other queues. */
static void test_nobody_is_in_the_way(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    struct skep__queue *other = queue_r(&bench);
    skep_child *child = hire_for_both(&bench, 0);
    submit_other(&bench, other);
    submit_other(&bench, other);
    assert_int_equal(other->shelf->reserved_count, 2);
    begin(child, 1, 1);
    run_past(&bench, child, 2 * (uint64_t)SKEP_CLAIMS);
    assert_int_equal(bench.queue->shelf->ready_count, 0);
    assert_true(other->taken_back > 0);
    PUMP_UNTIL(bench.pump, other->shelf->reserved_count == 2); /* it is sent again, under another number */
    assert_int_equal(other->redelivered, 0);
    dismiss(child);
    close_bench(&bench);
}

/* What it says of that may be lost on its way. */
static void test_what_was_given_back_is_taken(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *leaves = hire(&bench, 0, 1);
    submit(&bench, 2);
    begin(leaves, 1, 1);
    assert_true(skep__claim_release(leaves->page, 2));
    skep_child *idle = hire(&bench, 1, 1);
    PUMP_UNTIL(bench.pump, held(idle) == 1);
    struct skep_command_released late = {.delivery = 2};
    skep__jobs_released(leaves->holder, &late);
    assert_int_equal(bench.cluster->jobs->stray_answers, 0);
    assert_counts(&bench, 0, 2, 0, 0);
    dismiss(idle);
    dismiss(leaves);
    close_bench(&bench);
}

/* One look, whether what was sent has begun; then nobody is woken for nothing. */
static void test_nobody_looks_while_nothing_waits(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *a = hire(&bench, 0, 1), *b = hire(&bench, 1, 1);
    submit(&bench, 1);
    begin(a, 1, 1);
    PUMP_UNTIL(bench.pump, !skep__alarm_is_set(&bench.cluster->jobs->balance_alarm));
    pump_turns(bench.pump, 3);
    assert_false(skep__alarm_is_set(&bench.cluster->jobs->balance_alarm));
    submit(&bench, 1);
    assert_int_equal(held(a), 1);
    assert_int_equal(held(b), 1); /* the idle one comes first */
    assert_false(skep__alarm_is_set(&bench.cluster->jobs->balance_alarm));
    dismiss(a);
    dismiss(b);
    close_bench(&bench);
}

/* As a worker that begins all that it is sent. */
static void begin_all(skep_child *child, uint64_t *begun) {
    begin(child, *begun + 1, child->holder->deliveries.next - *begun - 1);
    *begun = child->holder->deliveries.next - 1;
}

/* It could work on many at a time, and does not get to them: it stands still, or its handler does not return. */
static void test_a_worker_that_begins_nothing(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *stands = hire(&bench, 0, 64), *works = hire(&bench, 1, 64);
    uint64_t begun = 0;
    submit(&bench, 20);
    assert_int_equal(held(stands), 10);
    while (held(stands) > 0) {
        begin_all(works, &begun);
        uint64_t before = held(stands);
        PUMP_UNTIL(bench.pump, held(stands) < before);
    }
    assert_int_equal(held(works), 20);
    begin_all(works, &begun);
    submit(&bench, 10);
    assert_int_equal(held(stands), 0); /* others come first */
    assert_int_equal(held(works), 30);
    begin_all(works, &begun);
    submit(&bench, 40);
    assert_int_equal(held(works), 65); /* its window */
    assert_int_equal(held(stands), 5); /* rather than nowhere */
    begin(stands, stands->holder->deliveries.next - 5, 5);
    complete(stands, stands->holder->deliveries.next - 5, 5);
    complete(works, 1, 20);
    submit(&bench, 10);
    assert_true(held(stands) > 0);
    assert_int_equal(bench.queue->redelivered, 0);
    dismiss(stands);
    dismiss(works);
    close_bench(&bench);
}

/* It has nothing to answer: by that nobody can learn that it is there again. */
static void test_a_worker_that_lagged_is_idle_again(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *lagged = hire(&bench, 0, 64), *works = hire(&bench, 1, 64);
    uint64_t begun = 0;
    submit(&bench, 2);
    begin_all(works, &begun);
    PUMP_UNTIL(bench.pump, held(lagged) == 0);
    assert_true(lagged->holder->lagging);
    begin_all(works, &begun);
    submit(&bench, 1);
    assert_int_equal(held(lagged), 0);
    begin_all(works, &begun);
    PUMP_UNTIL(bench.pump, !lagged->holder->lagging);
    submit(&bench, 2);
    assert_int_equal(held(lagged), 1);
    dismiss(lagged);
    dismiss(works);
    close_bench(&bench);
}

/* Better than behind a long job. */
static void test_a_lagging_worker_comes_before_a_busy_one(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *busy = hire(&bench, 0, 1);
    submit(&bench, 1);
    begin(busy, 1, 1);
    skep_child *lagged = hire(&bench, 1, 1); /* behind the busy one, were they alike */
    lagged->holder->lagging = true;
    skep__consumers_update(lagged->holder);
    submit(&bench, 1);
    assert_int_equal(held(lagged), 1);
    dismiss(lagged);
    dismiss(busy);
    close_bench(&bench);
}

/* Handlers that block: what was taken from one would be taken from the other next. */
static void test_nothing_goes_to_and_fro(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *workers[2];
    for (uint32_t i = 0; i < 2; i++) workers[i] = hire(&bench, i, 64);
    submit(&bench, 40);
    for (unsigned i = 0; i < 2; i++) {
        begin(workers[i], 1, 1);
        workers[i]->page->running = 1;
    }
    uint64_t before_ms = skep__clock_ms(bench.cluster->clock);
    PUMP_UNTIL(bench.pump, skep__clock_ms(bench.cluster->clock) > before_ms + 100);
    for (unsigned i = 0; i < 2; i++) assert_int_equal(held(workers[i]), 20);
    workers[1]->page->running = 0; /* one is done with all of its own */
    begin(workers[1], 2, 19);
    PUMP_UNTIL(bench.pump, held(workers[0]) < 20);
    assert_int_equal(held(workers[0]), 10); /* half of what waits */
    for (unsigned i = 0; i < 2; i++) dismiss(workers[i]);
    close_bench(&bench);
}

/* A worker whose lease has ended loses what waits behind that job, too. */
static void test_everything_from_a_worker_that_hangs(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.lease_ms = LEASE_MS, .attempts = 1});
    skep_child *hangs = hire(&bench, 0, 1);
    place_of(hangs)->window = 10;
    submit(&bench, 10);
    begin(hangs, 1, 1);
    PUMP_UNTIL(bench.pump, bench.queue->taken_back == 9);
    for (uint64_t n = 2; n <= 10; n++) assert_false(skep__claim_begin(hangs->page, n, 0));
    dismiss(hangs);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_an_idle_worker_gets_what_waits),
        PUMP_TEST(test_what_has_begun_stays),
        PUMP_TEST(test_as_many_as_are_wanted_in_their_order),
        PUMP_TEST(test_a_worker_of_two_queues),
        PUMP_TEST(test_nobody_looks_while_nothing_waits),
        PUMP_TEST(test_everything_from_a_worker_that_hangs),
        PUMP_TEST(test_it_stays_when_all_are_held_up),
        PUMP_TEST(test_it_stays_behind_the_backlog_of_another_queue),
        PUMP_TEST(test_a_kept_job_is_no_backlog),
        PUMP_TEST(test_nobody_is_in_the_way),
        PUMP_TEST(test_what_was_given_back_is_taken),
        PUMP_TEST(test_a_worker_that_begins_nothing),
        PUMP_TEST(test_a_worker_that_lagged_is_idle_again),
        PUMP_TEST(test_a_lagging_worker_comes_before_a_busy_one),
        PUMP_TEST(test_nothing_goes_to_and_fro),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
