/* SPDX-License-Identifier: MIT
 * Jobs of the primary's own, and what it hears of them when the cluster ends. */
#include "broker/ledger_bench.h"

#include "journal/private.h"

struct heard {
    int status;
    uint64_t id;
    unsigned count;
    unsigned tried; /* things that a callback tries, and that are refused */
};

static void hear(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes, void *context) {
    struct heard *heard = context;
    (void)cluster;
    (void)data;
    (void)size_bytes;
    heard->id = id;
    heard->status = status;
    heard->count++;
}

static uint64_t submit(struct bench *bench, skep_cluster_outcome_cb outcome, void *context) {
    uint64_t id = 0;
    assert_int_equal(skep_cluster_submit(bench->cluster, "q", "x", 1, NULL, &id, outcome, context), SKEP_OK);
    return id;
}

/* --- callbacks that go on --- */

static void submit_more(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes,
                        void *context) {
    hear(cluster, id, status, data, size_bytes, context);
    struct heard *heard = context;
    for (unsigned i = 0; i < 100 && heard->count == 1; i++)
        if (skep_cluster_submit(cluster, "q", "x", 1, NULL, NULL, submit_more, context) != SKEP_OK) heard->tried++;
}

/* In the middle of one acknowledgement for many, the worker's ring grows and its window moves. */
static void test_an_outcome_submits_more(void **state) {
    struct bench bench;
    struct heard heard = {0};
    bench_open(&bench, *state, NULL);
    skep_child *child = bench_hire(&bench, 0, 1000);
    for (unsigned i = 0; i < 10; i++) submit(&bench, submit_more, &heard);
    bench_complete(child, 1, 10);
    assert_int_equal(heard.count, 10);
    assert_int_equal(heard.tried, 0);
    bench_assert(&bench, 0, 100, 10);
    bench_complete(child, 11, 100);
    assert_int_equal(heard.count, 110);
    bench_assert(&bench, 0, 0, 110);
    bench_dismiss(child);
    bench_close(&bench);
}

static void submit_again(skep_cluster *cluster, const skep_event *event, void *context) {
    struct heard *heard = context;
    (void)event;
    if (heard->tried++ > 0) return;
    skep_cluster_stop(cluster, false);
    heard->status = skep_cluster_submit(cluster, "q", "x", 1, NULL, NULL, NULL, NULL);
}

static void test_a_dead_letter_stops_the_cluster(void **state) {
    struct bench bench;
    struct heard heard = {0};
    bench_open(&bench, *state, NULL);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_DEAD, submit_again, &heard), SKEP_OK);
    skep_child *child = bench_hire(&bench, 0, 10);
    bench_submit(&bench, 5, 1);
    struct skep_command_fail command = {.delivery = 2};
    skep__jobs_failed(child->holder, &command);
    assert_int_equal(heard.tried, 1);
    assert_int_equal(heard.status, SKEP_ESTATE);
    bench_complete(child, 1, 5);
    bench_assert(&bench, 0, 0, 4);
    bench_dismiss(child);
    bench_close(&bench);
}

/* --- the end --- */

static void try_everything(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes,
                           void *context) {
    struct heard *heard = context;
    hear(cluster, id, status, data, size_bytes, context);
    heard->tried += skep_cluster_submit(cluster, "q", "x", 1, NULL, NULL, hear, heard) == SKEP_ESTATE;
    heard->tried += skep_fork(cluster, NULL, NULL) == SKEP_ESTATE;
    skep_cluster_stop(cluster, true);
}

static void test_outcomes_that_are_due_are_told_when_the_cluster_is_freed(void **state) {
    struct bench bench;
    struct heard first = {0}, second = {0};
    bench_open(&bench, *state, NULL);
    uint64_t id = submit(&bench, try_everything, &first);
    submit(&bench, NULL, NULL);
    submit(&bench, hear, &second);
    bench_close(&bench);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.status, SKEP_ECLOSED);
    assert_int_equal(first.id, id);
    assert_int_equal(first.tried, 2);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.status, SKEP_ECLOSED);
    assert_int_equal(second.id, id + 2);
}

static void replied(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    hear(cluster, 0, status, data, size_bytes, context);
}

static skep_child *made_up;

static void ask_again(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    struct heard *heard = context;
    hear(cluster, 0, status, data, size_bytes, context);
    heard->tried += skep_child_request(made_up, "again", NULL, 0, 0, ask_again, context) == SKEP_ECLOSED;
}

static void test_replies_that_are_due_are_told_when_the_cluster_is_freed(void **state) {
    struct bench bench;
    struct heard first = {0}, second = {0};
    bench_open(&bench, *state, NULL);
    made_up = bench_hire(&bench, 0, 0);
    assert_int_equal(skep_child_request(made_up, "a", NULL, 0, 0, ask_again, &first), SKEP_OK);
    assert_int_equal(skep_child_request(made_up, "b", NULL, 0, 0, replied, &second), SKEP_OK);
    bench.cluster->stopping = bench.cluster->freed = true; /* what skep_cluster_free begins with */
    skep__messages_end(bench.cluster);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.status, SKEP_ECLOSED);
    assert_int_equal(first.tried, 1);
    assert_int_equal(second.status, SKEP_ECLOSED);
    assert_int_equal(second.count, 1);
    bench_dismiss(made_up);
    bench_close(&bench);
}

static void count_event(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    (void)event;
    ((struct heard *)context)->count++;
}

/* --- what a stop leaves --- */

static char lost[256];

static void note_error(skep_cluster *cluster, const skep_event *event, void *context) {
    (void)cluster;
    snprintf(lost, sizeof lost, "%s", event->reason);
    ((struct heard *)context)->count++;
}

static void stop_with(void **state, unsigned ready, unsigned delayed, const char *expected) {
    struct bench bench;
    struct heard errors = {0}, stops = {0};
    skep_job_options later = {.delay_ms = 3600 * 1000};
    bench_open(&bench, *state, NULL);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_ERROR, note_error, &errors), SKEP_OK);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_STOP, count_event, &stops), SKEP_OK);
    for (unsigned i = 0; i < ready; i++) submit(&bench, NULL, NULL);
    for (unsigned i = 0; i < delayed; i++)
        assert_int_equal(skep_cluster_submit(bench.cluster, "r", "x", 1, &later, NULL, NULL, NULL), SKEP_OK);
    skep_cluster_stop(bench.cluster, false);
    skep_cluster_stop(bench.cluster, true);
    assert_int_equal(errors.count, 0); /* not inside a call */
    PUMP_UNTIL(bench.pump, stops.count == 1);
    pump_turns(bench.pump, 3);
    assert_int_equal(errors.count, expected != NULL);
    if (expected != NULL) assert_string_equal(lost, expected);
    bench_close(&bench);
}

static void test_a_stop_says_what_is_lost(void **state) {
    stop_with(state, 14, 3, "17 jobs are lost: they were in memory only");
}

static void test_a_stop_says_that_one_job_is_lost(void **state) {
    stop_with(state, 0, 1, "1 job is lost: it was in memory only");
}

static void test_a_stop_that_loses_nothing_says_nothing(void **state) {
    stop_with(state, 0, 0, NULL);
}

/* While a worker is there, it may yet do them. */
static void test_what_a_draining_worker_does_is_not_lost(void **state) {
    struct bench bench;
    struct heard errors = {0};
    bench_open(&bench, *state, NULL);
    assert_int_equal(skep_on(bench.cluster, SKEP_EVENT_ERROR, note_error, &errors), SKEP_OK);
    skep_child *child = bench_hire(&bench, 0, 10);
    bench_submit(&bench, 5, 1);
    skep_cluster_stop(bench.cluster, false);
    pump_turns(bench.pump, 3);
    assert_int_equal(errors.count, 0);
    bench_complete(child, 1, 3);
    bench_dismiss(child);
    skep__jobs_check_lost(bench.cluster->jobs); /* as the end of a real worker does */
    PUMP_UNTIL(bench.pump, errors.count == 1);
    assert_string_equal(lost, "2 jobs are lost: they were in memory only");
    bench_close(&bench);
}

static void test_what_is_refused(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    const skep_job_options options = {.lease_ms = 99};
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, &options, NULL, NULL, NULL), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(cluster), "q: lease of 99 ms: at least 100");
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", SKEP_MAX_PAYLOAD + 1, NULL, NULL, NULL, NULL),
                     SKEP_ETOOBIG);
    assert_string_equal(skep_cluster_why(cluster), "q: job of 1048577 bytes: at most 1048576");
    hatch_free(pump, &cluster);
}

static void test_a_cluster_that_stops_takes_nothing(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster = hatch_cluster(pump, NULL);
    skep_cluster_stop(cluster, false);
    assert_int_equal(skep_cluster_submit(cluster, "q", "x", 1, NULL, NULL, NULL, NULL), SKEP_ESTATE);
    assert_string_equal(skep_cluster_why(cluster), "the cluster is stopping");
    assert_string_equal(skep_cluster_dir(cluster), ""); /* nor does it start */
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_what_is_refused),
        PUMP_TEST(test_an_outcome_submits_more),
        PUMP_TEST(test_a_dead_letter_stops_the_cluster),
        PUMP_TEST(test_outcomes_that_are_due_are_told_when_the_cluster_is_freed),
        PUMP_TEST(test_replies_that_are_due_are_told_when_the_cluster_is_freed),
        PUMP_TEST(test_a_stop_says_what_is_lost),
        PUMP_TEST(test_a_stop_says_that_one_job_is_lost),
        PUMP_TEST(test_a_stop_that_loses_nothing_says_nothing),
        PUMP_TEST(test_what_a_draining_worker_does_is_not_lost),
        PUMP_TEST(test_a_cluster_that_stops_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
