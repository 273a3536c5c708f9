/* SPDX-License-Identifier: MIT
 * What becomes of jobs: who gets them, what answers do, what deaths do. Workers here are made up: their inboxes lead
 * nowhere. */
#include "hatch.h"

#include "ledger.h"
#include "session.h"

enum { LEASE_MS = 200 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    struct skep__queue *queue;
    struct skep_page page;
};

static void open_bench(struct bench *bench, struct pump *pump, const skep_settings *settings) {
    *bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, settings)};
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    bench->queue = bench->cluster->store->kind->queue(bench->cluster->store, "q", 1, true);
    assert_non_null(bench->queue);
}

static void open_plain(struct bench *bench, struct pump *pump) {
    open_bench(bench, pump, &(skep_settings){.attempts = 3, .deaths = 2});
}

static void close_bench(struct bench *bench) {
    hatch_free(bench->pump, &bench->cluster);
}

/* --- workers --- */

static skep_child *hire(struct bench *bench, uint32_t place, unsigned concurrency) {
    skep_child *child = hatch_child(bench->cluster, place);
    struct skep__outlet_options options = {
        .hub = bench->cluster->hub, .flusher = bench->cluster->flusher, .kind = SKEP__PORT_PUSH};
    assert_int_equal(skep__outlet_new(&child->inbox, &options), SKEP_OK);
    struct skep_command_handle handle = {.queue = skep__text("q")};
    SKEP_SET(handle, &handle, concurrency, concurrency);
    assert_int_equal(skep__consumer_add(child, &handle), SKEP_OK);
    return child;
}

static void dismiss(skep_child *child) {
    child->state = SKEP__CHILD_GONE;
    skep__ledger_child_ended(child);
    skep__outlet_free(&child->inbox);
    hatch_free_child(child);
}

static struct skep__consumer *place_of(const skep_child *child) {
    return LIST_FIRST(&child->consumers);
}

static uint64_t held(const skep_child *child) {
    return place_of(child)->held;
}

/* --- jobs --- */

static struct skep__submission plain(void) {
    return (struct skep__submission){.data = "job", .size_bytes = 3, .attempts = 3, .priority = 128};
}

static void submit(struct bench *bench, unsigned count) {
    struct skep__submission submission = plain();
    uint64_t id;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(skep__ledger_submit(bench->cluster, bench->queue, &submission, &id), SKEP_OK);
    skep__dispatch_jobs(bench->cluster, bench->queue);
}

static void complete(skep_child *child, uint64_t delivery, uint64_t n) {
    struct skep_command_completed command = {.delivery = delivery};
    const char *why;
    SKEP_SET(completed, &command, n, n);
    assert_int_equal(skep__ledger_completed(child, &command, &why), SKEP_OK);
    skep__dispatch_child(child);
}

static void retry(skep_child *child, uint64_t delivery) {
    struct skep_command_retry command = {.delivery = delivery, .reason = skep__text("later")};
    skep__ledger_retry(child, &command);
    skep__dispatch_child(child);
}

static void assert_counts(const struct bench *bench, uint64_t ready, uint64_t reserved, uint64_t dead, uint64_t done) {
    assert_int_equal(bench->queue->ready_count, ready);
    assert_int_equal(bench->queue->reserved_count, reserved);
    assert_int_equal(bench->queue->dead_count, dead);
    assert_int_equal(bench->queue->done, done);
}

static const struct skep__job *dead_letter(const struct bench *bench) {
    const struct skep__job *job = TAILQ_FIRST(&bench->queue->dead);
    assert_non_null(job);
    return job;
}

/* --- giving --- */

static void test_what_is_ready_is_split_evenly(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *a = hire(&bench, 0, 10), *b = hire(&bench, 1, 10), *c = hire(&bench, 2, 10);
    submit(&bench, 6);
    assert_int_equal(held(a), 2);
    assert_int_equal(held(b), 2);
    assert_int_equal(held(c), 2);
    submit(&bench, 1);
    submit(&bench, 1);
    submit(&bench, 1);
    assert_int_equal(held(a), 3);
    assert_int_equal(held(b), 3);
    assert_int_equal(held(c), 3);
    dismiss(a);
    dismiss(b);
    dismiss(c);
    close_bench(&bench);
}

static void test_jobs_wait_for_a_worker(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    submit(&bench, 3);
    assert_counts(&bench, 3, 0, 0, 0);
    skep_child *child = hire(&bench, 0, 5);
    assert_counts(&bench, 0, 3, 0, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_a_draining_worker_gets_nothing(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 5);
    child->state = SKEP__CHILD_DRAINING;
    skep__consumers_update(child);
    submit(&bench, 1);
    assert_counts(&bench, 1, 0, 0, 0);
    child->state = SKEP__CHILD_READY;
    skep__dispatch_child(child);
    assert_counts(&bench, 0, 1, 0, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_the_window_grows_while_answers_are_quick(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.job_credit = 64});
    skep_child *child = hire(&bench, 0, 1);
    submit(&bench, 1000);
    assert_int_equal(held(child), 2); /* one that is worked on, one that waits */
    uint64_t most = 0;
    while (bench.queue->ready_count > 0) {
        complete(child, child->deliveries.first, held(child));
        if (held(child) > most) most = held(child);
    }
    assert_int_equal(most, 64);
    dismiss(child);
    close_bench(&bench);
}

static void test_the_window_shrinks_when_answers_are_slow(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 3);
    place_of(child)->window = 100;
    skep__consumer_judge(place_of(child), skep__clock_ms(bench.cluster->clock) - 150);
    assert_int_equal(place_of(child)->window, 100);
    for (unsigned i = 0; i < 10; i++) skep__consumer_judge(place_of(child), skep__clock_ms(bench.cluster->clock) - 201);
    assert_int_equal(place_of(child)->window, 3); /* its concurrency */
    dismiss(child);
    close_bench(&bench);
}

static void test_bytes_bound_what_a_worker_has(void **state) {
    struct bench bench;
    open_bench(&bench, *state, &(skep_settings){.job_credit_bytes = 10});
    skep_child *child = hire(&bench, 0, 100);
    submit(&bench, 10);
    assert_int_equal(held(child), 4); /* three bytes each: the fourth goes over */
    complete(child, 1, 2);
    assert_int_equal(held(child), 4);
    assert_counts(&bench, 4, 4, 0, 2);
    dismiss(child);
    close_bench(&bench);
}

/* --- answers --- */

static void test_one_answer_for_many(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 10);
    complete(child, 1, 10);
    assert_counts(&bench, 0, 0, 0, 10);
    assert_int_equal(bench.cluster->stray_answers, 0);
    assert_int_equal(child->held_bytes, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_answers_to_nothing_change_nothing(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 3);
    complete(child, 2, 1);
    complete(child, 2, 1); /* twice */
    complete(child, 4, 5); /* never given */
    complete(child, UINT64_MAX, UINT32_MAX);
    assert_counts(&bench, 0, 2, 0, 1);
    assert_int_equal(bench.cluster->stray_answers, 1 + 5 + UINT64_C(0xffffffff));
    complete(child, 0, UINT32_MAX); /* of these, two are there */
    assert_counts(&bench, 0, 0, 0, 3);
    dismiss(child);
    close_bench(&bench);
}

static void test_results_must_be_as_many_as_jobs(void **state) {
    struct bench bench;
    const char *why = NULL;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 2);
    struct skep_command_completed command = {.delivery = 1};
    SKEP_SET(completed, &command, n, 2);
    SKEP_SET(completed, &command, results, (struct skep_list){.count = 1});
    assert_int_equal(skep__ledger_completed(child, &command, &why), SKEP_EPROTO);
    assert_non_null(why);
    assert_counts(&bench, 0, 2, 0, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_retries_end_in_the_dead_letters(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 1);
    submit(&bench, 1);
    for (uint64_t delivery = 1; delivery <= 3; delivery++) {
        assert_counts(&bench, 0, 1, 0, 0);
        retry(child, delivery);
    }
    assert_counts(&bench, 0, 0, 1, 0);
    assert_string_equal(dead_letter(&bench)->death->cause, "attempts");
    assert_string_equal(dead_letter(&bench)->death->reason, "later");
    assert_int_equal(dead_letter(&bench)->attempt, 3);
    assert_int_equal(bench.queue->redelivered, 2);
    assert_int_equal(skep__ledger_revive(bench.cluster, NULL, 0), 1);
    assert_counts(&bench, 0, 1, 0, 0);
    complete(child, 4, 1);
    assert_counts(&bench, 0, 0, 0, 1);
    dismiss(child);
    close_bench(&bench);
}

static void test_failing_is_final(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 1);
    submit(&bench, 1);
    struct skep_command_fail command = {.delivery = 1, .reason = skep__text("no such file")};
    skep__ledger_fail(child, &command);
    assert_counts(&bench, 0, 0, 1, 0);
    assert_string_equal(dead_letter(&bench)->death->cause, "refused");
    assert_string_equal(dead_letter(&bench)->death->reason, "no such file");
    assert_int_equal(dead_letter(&bench)->death->exit.worker, child->id);
    uint64_t id = dead_letter(&bench)->id;
    assert_int_equal(skep__ledger_drop(bench.cluster, bench.queue, id + 1), 0);
    assert_int_equal(skep__ledger_drop(bench.cluster, bench.queue, id), 1);
    assert_counts(&bench, 0, 0, 0, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_released_jobs_were_never_there(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 3);
    child->state = SKEP__CHILD_DRAINING;
    struct skep_command_released command = {.delivery = 1};
    SKEP_SET(released, &command, n, 3);
    skep__ledger_released(child, &command);
    assert_counts(&bench, 3, 0, 0, 0);
    const struct skep__job *first = bench.cluster->store->kind->first(bench.queue);
    assert_int_equal(first->id, 1);
    assert_int_equal(first->attempt, 0);
    dismiss(child);
    close_bench(&bench);
}

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

/* --- the primary's own --- */

struct heard {
    int status;
    char data[32];
    unsigned count;
};

static void hear(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes, void *context) {
    (void)cluster;
    (void)id;
    struct heard *heard = context;
    heard->status = status;
    heard->count++;
    snprintf(heard->data, sizeof heard->data, "%.*s", (int)size_bytes, (const char *)data);
}

static void test_the_primary_submits_too(void **state) {
    struct bench bench;
    struct heard heard = {0};
    uint64_t id = 0;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 5);
    assert_int_equal(skep_cluster_submit(bench.cluster, "q", "x", 1, NULL, &id, hear, &heard), SKEP_OK);
    assert_int_equal(id, 1);
    complete(child, 1, 1);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.status, SKEP_OK);
    assert_int_equal(skep_cluster_submit(bench.cluster, "q", "x", 1, NULL, &id, hear, &heard), SKEP_OK);
    struct skep_command_fail command = {.delivery = 2};
    skep__ledger_fail(child, &command);
    assert_int_equal(heard.status, SKEP_EDEAD);
    assert_string_equal(heard.data, "refused");
    dismiss(child);
    close_bench(&bench);
}

static void test_what_the_primary_may_not_submit(void **state) {
    struct bench bench;
    char name[SKEP_MAX_NAME + 2] = {0};
    memset(name, 'n', SKEP_MAX_NAME + 1);
    open_plain(&bench, *state);
    static char large[SKEP_MAX_PAYLOAD + 1];
    skep_cluster *cluster = bench.cluster;
    skep_job_options keyed = {.key = "k"}, nameless = {.key = ""}, urgent = {.priority = -129};
    uint64_t id = 0;
    assert_int_equal(skep_cluster_submit(cluster, "", "x", 1, NULL, NULL, NULL, NULL), SKEP_EINVAL);
    assert_int_equal(skep_cluster_submit(cluster, name, "x", 1, NULL, NULL, NULL, NULL), SKEP_EINVAL);
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &nameless, NULL, NULL, NULL), SKEP_EINVAL);
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &urgent, NULL, NULL, NULL), SKEP_EINVAL);
    assert_int_equal(skep_cluster_submit(cluster, "q", large, sizeof large, NULL, NULL, NULL, NULL), SKEP_ETOOBIG);
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &keyed, &id, NULL, NULL), SKEP_OK);
    id = 0;
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &keyed, &id, NULL, NULL), SKEP_EDUPLICATE);
    assert_int_equal(id, 1);
    assert_int_equal(bench.queue->submitted, 1);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_what_is_ready_is_split_evenly),
        PUMP_TEST(test_jobs_wait_for_a_worker),
        PUMP_TEST(test_a_draining_worker_gets_nothing),
        PUMP_TEST(test_the_window_grows_while_answers_are_quick),
        PUMP_TEST(test_the_window_shrinks_when_answers_are_slow),
        PUMP_TEST(test_bytes_bound_what_a_worker_has),
        PUMP_TEST(test_one_answer_for_many),
        PUMP_TEST(test_answers_to_nothing_change_nothing),
        PUMP_TEST(test_results_must_be_as_many_as_jobs),
        PUMP_TEST(test_retries_end_in_the_dead_letters),
        PUMP_TEST(test_failing_is_final),
        PUMP_TEST(test_released_jobs_were_never_there),
        PUMP_TEST(test_a_lease_ends),
        PUMP_TEST(test_a_worker_alone_gets_the_job_again),
        PUMP_TEST(test_an_extended_lease_does_not_end),
        PUMP_TEST(test_delays_and_times_to_live),
        PUMP_TEST(test_the_page_tells_who_is_to_blame),
        PUMP_TEST(test_kept_jobs_are_suspects_when_no_handler_ran),
        PUMP_TEST(test_without_a_page_the_first_are_suspects),
        PUMP_TEST(test_nobody_is_blamed_for_an_end_that_was_asked_for),
        PUMP_TEST(test_a_job_that_kills_is_quarantined),
        PUMP_TEST(test_the_primary_submits_too),
        PUMP_TEST(test_what_the_primary_may_not_submit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
