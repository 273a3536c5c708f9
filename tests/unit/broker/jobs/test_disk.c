/* SPDX-License-Identifier: MIT
 * Jobs on a disk: they are there when the broker is there again. */
#include "broker/disk_scene.h"

/* --- what is there again --- */

static void test_jobs_in_their_order(void **state) {
    struct scene scene;
    struct skep__submission urgent = submission_of("urgent"), common = submission_of("common");
    urgent.priority = 1;
    start(&scene, *state);
    assert_int_equal(put(&scene, common), 1);
    assert_int_equal(put(&scene, urgent), 2);
    assert_int_equal(put(&scene, submission_of("last")), 3);
    stop(&scene);
    start(&scene, *state);
    bench_assert(&scene.bench, 3, 0, 0);
    assert_job(&scene, 1, "common", SKEP__JOB_READY);
    assert_job(&scene, 2, "urgent", SKEP__JOB_READY);
    assert_int_equal(scene.bench.cluster->jobs->store->kind->first(scene.bench.queue->shelf)->id, 2);
    assert_int_equal(find(&scene, 1)->attempt, 0);
    assert_int_equal(put(&scene, submission_of("new")), 4);
    end(&scene);
}

static void test_none_that_is_done(void **state) {
    struct scene scene;
    start(&scene, *state);
    ledger_put_many(scene.bench.cluster, scene.bench.queue,
                    &(struct skep__submission){.data = "x", .size_bytes = 1, .attempts = 5, .priority = 128}, 20);
    skep_child *child = bench_hire(&scene.bench, 0, 20);
    skep__jobs_dispatch_to(child->holder);
    bench_complete(child, 1, 5);
    bench_complete(child, 7, 1);
    bench_dismiss(child);
    stop(&scene);
    start(&scene, *state);
    for (uint64_t id = 1; id <= 20; id++) assert_int_equal(find(&scene, id) != NULL, id > 5 && id != 7);
    assert_int_equal(put(&scene, submission_of("new")), 21);
    end(&scene);
}

static void test_what_may_have_begun_is_marked(void **state) {
    struct scene scene;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    crash(&scene);
    start(&scene, *state);
    assert_int_equal(find(&scene, 1)->attempt, 1);
    stop(&scene);
    start(&scene, *state);
    assert_int_equal(find(&scene, 1)->attempt, 1);
    end(&scene);
}

static void assert_attempt(struct scene *scene, uint64_t id, uint32_t attempt) {
    const struct skep__job *job = find(scene, id);
    assert_non_null(job);
    assert_int_equal(job->attempt, attempt);
}

/* Each broker may have begun it once more, and no attempt has the number of an earlier one. */
static void test_each_crash_counts(void **state) {
    struct scene scene;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    for (unsigned i = 1; i <= 3; i++) {
        skep_child *child = bench_hire(&scene.bench, 0, 1);
        skep__jobs_dispatch_to(child->holder);
        assert_attempt(&scene, 1, i);
        if (i == 2) put(&scene, submission_of("b")); /* which has been there for one crash less */
        crash_with(&scene, child);
        start(&scene, *state);
        assert_attempt(&scene, 1, i);
    }
    assert_attempt(&scene, 2, 2);
    end(&scene);
}

static void test_a_delayed_job_was_not_begun(void **state) {
    struct scene scene;
    struct skep__submission delayed = submission_of("a");
    delayed.delay_ms = 3600000;
    start(&scene, *state);
    put(&scene, delayed);
    crash(&scene);
    start(&scene, *state);
    assert_attempt(&scene, 1, 0);
    end(&scene);
}

/* A job that was begun is given to nobody before its attempt is written. */
static void test_the_attempt_of_a_dead_worker_is_written_first(void **state) {
    struct scene scene;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    skep_child *first = bench_hire(&scene.bench, 0, 1), *second = bench_hire(&scene.bench, 1, 1);
    skep__jobs_dispatch_to(first->holder);
    assert_true(skep__claim_begin(first->page, 1, uv_hrtime() / 1000000));
    skep__jobs_worker_ended(first->holder);
    assert_null(find(&scene, 1)); /* pending */
    later_settle(scene.bench.cluster);
    assert_job(&scene, 1, "a", SKEP__JOB_RESERVED);
    assert_attempt(&scene, 1, 2);
    bench_dismiss(first);
    bench_dismiss(second);
    crash(&scene);
    start(&scene, *state);
    assert_attempt(&scene, 1, 2);
    end(&scene);
}

static void test_a_stop_loses_nothing(void **state) {
    struct scene scene;
    static const struct skep_bytes none = {0};
    uint64_t dead = 1;
    start(&scene, *state);
    for (unsigned i = 0; i < 3; i++) put(&scene, submission_of("a"));
    skep__ledger_bury(scene.bench.cluster->jobs, find(&scene, 1), "refused", &none, NULL);
    skep_child *child = bench_hire(&scene.bench, 0, 1);
    skep__jobs_dispatch_to(child->holder);
    later_settle(scene.bench.cluster);
    assert_int_equal(skep__jobs_losable(scene.bench.cluster->jobs, true, &dead), 0);
    assert_int_equal(skep__jobs_losable(scene.bench.cluster->jobs, false, &dead), 0);
    assert_int_equal(dead, 0);
    bench_dismiss(child);
    end(&scene);
}

static void test_a_dead_letter_with_its_cause(void **state) {
    struct scene scene;
    static const struct skep_bytes reason = {"no way", 6};
    const struct skep__exit_record record = {.worker = 7, .pid = 70, .code = -1, .signal = 9, .uptime_ms = 5};
    start(&scene, *state);
    put(&scene, submission_of("a"));
    skep__ledger_bury(scene.bench.cluster->jobs, find(&scene, 1), "refused", &reason, &record);
    later_settle(scene.bench.cluster);
    stop(&scene);
    start(&scene, *state);
    assert_job(&scene, 1, "a", SKEP__JOB_DEAD);
    const struct skep__death *death = find(&scene, 1)->death;
    assert_string_equal(death->cause, "refused");
    assert_string_equal(death->reason, "no way");
    assert_int_equal(death->exit.worker, 7);
    assert_int_equal(death->exit.signal, 9);
    assert_int_equal(death->exit.code, -1);
    assert_int_equal(skep__jobs_revive(scene.bench.cluster->jobs, NULL, 0), 1);
    later_settle(scene.bench.cluster);
    stop(&scene);
    start(&scene, *state);
    assert_job(&scene, 1, "a", SKEP__JOB_READY);
    skep__ledger_bury(scene.bench.cluster->jobs, find(&scene, 1), "refused", &reason, &record);
    later_settle(scene.bench.cluster);
    assert_int_equal(skep__jobs_drop(scene.bench.cluster->jobs, NULL, 0), 1);
    later_settle(scene.bench.cluster);
    stop(&scene);
    start(&scene, *state);
    assert_null(find(&scene, 1));
    end(&scene);
}

static void test_a_failed_job_waits_as_before(void **state) {
    struct scene scene;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    skep_child *child = bench_hire(&scene.bench, 0, 1);
    skep__jobs_dispatch_to(child->holder);
    skep__jobs_retried(child->holder, &(struct skep_command_retry){.delivery = 1, .delay_ms = 100000});
    later_settle(scene.bench.cluster);
    bench_dismiss(child);
    crash(&scene);
    start(&scene, *state);
    assert_job(&scene, 1, "a", SKEP__JOB_DELAYED);
    const struct skep__job *job = find(&scene, 1);
    assert_int_equal(job->failures, 1);
    assert_int_equal(job->attempt, 1);
    assert_in_range(skep__job_due_ms(scene.bench.cluster->jobs, job), 90000, 101000);
    end(&scene);
}

static void test_delays_and_times_to_live(void **state) {
    struct scene scene;
    struct skep__submission delayed = submission_of("delayed"), mortal = submission_of("mortal");
    delayed.delay_ms = 50000;
    mortal.ttl_ms = 60000;
    start(&scene, *state);
    put(&scene, delayed);
    put(&scene, mortal);
    stop(&scene);
    start(&scene, *state);
    assert_job(&scene, 1, "delayed", SKEP__JOB_DELAYED);
    assert_job(&scene, 2, "mortal", SKEP__JOB_READY);
    assert_in_range(find(&scene, 1)->at_ms, 40000, 50100);
    assert_in_range(find(&scene, 2)->expires_ms, 50000, 60100);
    end(&scene);
}

static void test_keys(void **state) {
    struct scene scene;
    struct skep__submission keyed = submission_of("a"), other = submission_of("b");
    uint64_t id;
    keyed.key = "key", other.key = "another", keyed.key_bytes = 3, other.key_bytes = 7;
    start(&scene, *state);
    put(&scene, keyed);
    put(&scene, other);
    skep_child *child = bench_hire(&scene.bench, 0, 1);
    skep__jobs_dispatch_to(child->holder);
    bench_complete(child, 1, 1);
    bench_dismiss(child);
    stop(&scene);
    start(&scene, *state);
    assert_int_equal(ledger_put(scene.bench.cluster, scene.bench.queue, &keyed, &id), SKEP_EDUPLICATE);
    assert_int_equal(ledger_put(scene.bench.cluster, scene.bench.queue, &other, &id), SKEP_EDUPLICATE);
    end(&scene);
}

/* --- more than is shown --- */

enum { MANY = SKEP__SHOWN_JOBS + 3 * SKEP__FILL_JOBS, FRAME = 4096 };

static void count(struct skep__put *put, const struct skep__answer *answer) {
    (void)put;
    assert_int_equal(answer->status, SKEP_OK);
}

static void put_many(struct scene *scene, unsigned frames) {
    static struct skep_bytes items[FRAME];
    struct skep__put put = {count};
    for (unsigned i = 0; i < FRAME; i++) items[i] = (struct skep_bytes){"12345678", 8};
    struct skep__batch batch = {.common = submission_of(""), .jobs = {.count = FRAME, .borrowed = items}};
    for (unsigned i = 0; i < frames; i++) {
        skep__jobs_submit(scene->bench.cluster->jobs, scene->bench.queue, &batch, &put);
        later_settle(scene->bench.cluster);
    }
}

static void do_all(struct scene *scene, skep_child *child, uint64_t count) {
    const uint64_t before = scene->bench.queue->shelf->done;
    uint64_t next = child->holder->deliveries.first;
    while (scene->bench.queue->shelf->done < before + count) {
        skep__jobs_dispatch_to(child->holder);
        uint64_t end = child->holder->deliveries.next;
        if (end > next) bench_complete(child, next, end - next);
        next = end;
        later_settle(scene->bench.cluster);
    }
}

static void test_most_of_many_stay_on_the_disk(void **state) {
    struct scene scene;
    start(&scene, *state);
    put_many(&scene, MANY / FRAME);
    const struct skep__shelf *shelf = scene.bench.queue->shelf;
    assert_in_range(shelf->ready_count, SKEP__SHOWN_JOBS, SKEP__SHOWN_JOBS + FRAME);
    assert_int_equal(shelf->ready_count + shelf->stored_count, MANY);
    crash(&scene);
    start(&scene, *state);
    shelf = scene.bench.queue->shelf;
    assert_int_equal(shelf->ready_count + shelf->stored_count, MANY);
    skep_child *child = bench_hire(&scene.bench, 0, 1000);
    do_all(&scene, child, MANY);
    assert_int_equal(shelf->ready_count + shelf->stored_count + shelf->reserved_count + shelf->pending_count, 0);
    bench_dismiss(child);
    stop(&scene);
    start(&scene, *state);
    bench_assert(&scene.bench, 0, 0, 0);
    end(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_jobs_in_their_order),
        PUMP_TEST(test_none_that_is_done),
        PUMP_TEST(test_what_may_have_begun_is_marked),
        PUMP_TEST(test_each_crash_counts),
        PUMP_TEST(test_a_delayed_job_was_not_begun),
        PUMP_TEST(test_the_attempt_of_a_dead_worker_is_written_first),
        PUMP_TEST(test_a_stop_loses_nothing),
        PUMP_TEST(test_a_dead_letter_with_its_cause),
        PUMP_TEST(test_a_failed_job_waits_as_before),
        PUMP_TEST(test_delays_and_times_to_live),
        PUMP_TEST(test_keys),
        PUMP_TEST(test_most_of_many_stay_on_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
