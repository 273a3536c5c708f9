/* SPDX-License-Identifier: MIT
 * What becomes of jobs: who gets them, what answers do. */
#include "broker/ledger_plain.h"
#include "common/text.h"

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
    child->holder->ready = false;
    skep__consumers_update(child->holder);
    submit(&bench, 1);
    assert_counts(&bench, 1, 0, 0, 0);
    child->holder->ready = true;
    skep__jobs_dispatch_to(child->holder);
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
    while (bench.queue->shelf->ready_count > 0) {
        complete(child, child->holder->deliveries.first, held(child));
        if (held(child) > most) most = held(child);
    }
    assert_int_equal(most, 64);
    dismiss(child);
    close_bench(&bench);
}

/* The first of many are quick however long the others wait. */
static void test_a_window_grows_once(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 1);
    submit(&bench, 1000);
    assert_int_equal(held(child), 2);
    complete(child, 1, 1);
    assert_int_equal(place_of(child)->window, 4);
    assert_int_equal(held(child), 4); /* the second of before, and three in the window as it is now */
    complete(child, 2, 1);
    assert_int_equal(place_of(child)->window, 4);
    complete(child, 3, 1);
    assert_int_equal(place_of(child)->window, 8);
    dismiss(child);
    close_bench(&bench);
}

static void test_the_window_shrinks_when_answers_are_slow(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 3);
    place_of(child)->window = 100;
    submit(&bench, 1);
    struct skep__job *job = skep__deliveries_find(&child->holder->deliveries, 1)->job;
    job->at_ms = skep__clock_ms(bench.cluster->clock) - 150;
    skep__consumer_judge(job);
    assert_int_equal(place_of(child)->window, 100);
    job->at_ms -= 51;
    for (unsigned i = 0; i < 10; i++) skep__consumer_judge(job);
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
    assert_int_equal(bench.cluster->jobs->stray_answers, 0);
    assert_int_equal(child->holder->held_bytes, 0);
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
    assert_int_equal(bench.cluster->jobs->stray_answers, 1 + 5 + UINT64_C(0xffffffff));
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
    assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_EPROTO);
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
    assert_int_equal(skep__jobs_revive(bench.cluster->jobs, NULL, 0), 1);
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
    skep__jobs_failed(child->holder, &command);
    later_settle(child->cluster);
    assert_counts(&bench, 0, 0, 1, 0);
    assert_string_equal(dead_letter(&bench)->death->cause, "refused");
    assert_string_equal(dead_letter(&bench)->death->reason, "no such file");
    assert_int_equal(dead_letter(&bench)->death->exit.worker, child->id);
    uint64_t id = dead_letter(&bench)->id;
    assert_int_equal(skep__jobs_drop(bench.cluster->jobs, bench.queue, id + 1), 0);
    assert_int_equal(skep__jobs_drop(bench.cluster->jobs, bench.queue, id), 1);
    assert_counts(&bench, 0, 0, 0, 0);
    dismiss(child);
    close_bench(&bench);
}

static void test_released_jobs_were_never_there(void **state) {
    struct bench bench;
    open_plain(&bench, *state);
    skep_child *child = hire(&bench, 0, 10);
    submit(&bench, 3);
    child->holder->ready = false;
    struct skep_command_released command = {.delivery = 1};
    SKEP_SET(released, &command, n, 3);
    skep__jobs_released(child->holder, &command);
    assert_counts(&bench, 3, 0, 0, 0);
    const struct skep__job *first = bench.cluster->jobs->store->kind->first(bench.queue->shelf);
    assert_int_equal(first->id, 1);
    assert_int_equal(first->attempt, 0);
    dismiss(child);
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
    assert_int_equal(id, later_is_installed(bench.cluster) ? 0 : 1);
    later_settle(bench.cluster);
    complete(child, 1, 1);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.status, SKEP_OK);
    assert_int_equal(skep_cluster_submit(bench.cluster, "q", "x", 1, NULL, &id, hear, &heard), SKEP_OK);
    later_settle(bench.cluster);
    struct skep_command_fail command = {.delivery = 2};
    skep__jobs_failed(child->holder, &command);
    later_settle(child->cluster);
    assert_int_equal(heard.status, SKEP_EDEAD);
    assert_string_equal(heard.data, "refused");
    dismiss(child);
    close_bench(&bench);
}

static void test_what_the_primary_may_not_submit(void **state) {
    struct bench bench;
    char name[SKEP_MAX_NAME + 2] = {0};
    if (later_is_wanted()) skip(); /* copies are known at once */
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
    assert_int_equal(bench.queue->shelf->submitted, 1);
    close_bench(&bench);
}

static void no_outcome(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes,
                       void *context) {
    (void)cluster, (void)id, (void)status, (void)data, (void)size_bytes, (void)context;
    fail_msg("an outcome");
}

static void test_the_primary_has_a_copy_of_a_dead_letter(void **state) {
    static const struct skep_bytes none = {0};
    struct bench bench;
    skep_job_options keyed = {.key = "k"};
    uint64_t id = 0;
    if (later_is_wanted()) skip(); /* the call itself says so */
    open_plain(&bench, *state);
    skep_cluster *cluster = bench.cluster;
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &keyed, NULL, NULL, NULL), SKEP_OK);
    skep__ledger_bury(cluster->jobs, cluster->jobs->store->kind->first(bench.queue->shelf), "refused", &none, NULL);
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &keyed, NULL, NULL, NULL), SKEP_EDUPLICATE);
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &keyed, &id, no_outcome, NULL), SKEP_EDEAD);
    assert_int_equal(id, 1);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_what_is_ready_is_split_evenly),
        PUMP_TEST(test_jobs_wait_for_a_worker),
        PUMP_TEST(test_a_draining_worker_gets_nothing),
        PUMP_TEST(test_the_window_grows_while_answers_are_quick),
        PUMP_TEST(test_a_window_grows_once),
        PUMP_TEST(test_the_window_shrinks_when_answers_are_slow),
        PUMP_TEST(test_bytes_bound_what_a_worker_has),
        PUMP_TEST(test_one_answer_for_many),
        PUMP_TEST(test_answers_to_nothing_change_nothing),
        PUMP_TEST(test_results_must_be_as_many_as_jobs),
        PUMP_TEST(test_retries_end_in_the_dead_letters),
        PUMP_TEST(test_failing_is_final),
        PUMP_TEST(test_released_jobs_were_never_there),
        PUMP_TEST(test_the_primary_submits_too),
        PUMP_TEST(test_the_primary_has_a_copy_of_a_dead_letter),
        PUMP_TEST(test_what_the_primary_may_not_submit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
