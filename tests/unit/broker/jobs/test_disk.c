/* SPDX-License-Identifier: MIT
 * Jobs on a disk: they are there when the broker is there again. */
#include "broker/failing_disk.h"
#include "broker/visitor.h"
#include "jobs/disk/private.h"

struct scene {
    struct bench bench;
    char dir[SKEP_MAX_DIR + 1];
    char path[SKEP_MAX_DIR + 16]; /* of the file */
};

static void start_with(struct scene *scene, struct pump *pump, skep_settings settings) {
    snprintf(scene->dir, sizeof scene->dir, "%s.disk", pump->dir);
    snprintf(scene->path, sizeof scene->path, "%s/jobs.db", scene->dir);
    settings.jobs_dir = scene->dir;
    scene->bench = (struct bench){.pump = pump, .cluster = hatch_cluster(pump, &settings)};
    assert_int_equal(skep_cluster_start(scene->bench.cluster), SKEP_OK);
    scene->bench.queue = skep__queues_get(scene->bench.cluster->jobs->queues, "q", 1);
    assert_non_null(scene->bench.queue);
}

static void start(struct scene *scene, struct pump *pump) {
    start_with(scene, pump, (skep_settings){0});
}

static void stop(struct scene *scene) {
    hatch_free(scene->bench.pump, &scene->bench.cluster);
}

/* As if the process had been killed: the file is as the last commit has left it. */
static void crash(struct scene *scene) {
    char command[4 * SKEP_MAX_DIR + 64];
    later_settle(scene->bench.cluster);
    snprintf(command, sizeof command, "cp -a %s %s.copy", scene->dir, scene->dir);
    assert_int_equal(system(command), 0);
    stop(scene);
    snprintf(command, sizeof command, "rm -r %s && mv %s.copy %s", scene->dir, scene->dir, scene->dir);
    assert_int_equal(system(command), 0);
}

static void end(struct scene *scene) {
    stop(scene);
    pump_remove(scene->dir);
}

static struct skep__submission submission_of(const char *text) {
    return (struct skep__submission){
        .data = text, .size_bytes = strlen(text), .attempts = 5, .priority = SKEP__PRIORITY_MIDDLE};
}

static uint64_t put(struct scene *scene, struct skep__submission submission) {
    uint64_t id = 0;
    assert_int_equal(ledger_put(scene->bench.cluster, scene->bench.queue, &submission, &id), SKEP_OK);
    return id;
}

static struct skep__job *find(const struct scene *scene, uint64_t id) {
    return skep__jobs_find(scene->bench.cluster->jobs, id);
}

static void assert_job(const struct scene *scene, uint64_t id, const char *text, enum skep__job_state state) {
    const struct skep__job *job = find(scene, id);
    assert_non_null(job);
    assert_int_equal(job->size_bytes, strlen(text));
    assert_memory_equal(job->data, text, job->size_bytes);
    assert_int_equal(job->state, state);
}

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

/* --- a disk that fails --- */

static void test_a_full_disk(void **state) {
    struct scene scene;
    struct skep__submission submission = submission_of("b");
    uint64_t id = 0;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    failing_disk = FAILING_WRITE;
    assert_int_equal(ledger_put(scene.bench.cluster, scene.bench.queue, &submission, &id), SKEP_ENOSPC);
    bench_assert(&scene.bench, 1, 0, 0);
    failing_disk = FAILING_NOT;
    assert_int_equal(ledger_put(scene.bench.cluster, scene.bench.queue, &submission, &id), SKEP_OK);
    stop(&scene);
    start(&scene, *state);
    bench_assert(&scene.bench, 2, 0, 0);
    end(&scene);
}

static void test_an_end_waits_for_a_disk_that_fails(void **state) {
    struct scene scene;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    skep_child *child = bench_hire(&scene.bench, 0, 1);
    skep__jobs_dispatch_to(child->holder);
    failing_disk = FAILING_SYNC;
    bench_complete(child, 1, 1);
    const struct skep__shelf *shelf = scene.bench.queue->shelf;
    assert_int_equal(shelf->done, 0);
    assert_int_equal(shelf->pending_count, 1);
    failing_disk = FAILING_NOT;
    PUMP_LOOK_UNTIL(scene.bench.pump, shelf->done == 1);
    bench_dismiss(child);
    stop(&scene);
    start(&scene, *state);
    bench_assert(&scene.bench, 0, 0, 0);
    end(&scene);
}

/* What was begun is not known to be done: it is done again, and says so. */
static void test_a_broker_that_ends_while_the_disk_fails(void **state) {
    struct scene scene;
    start(&scene, *state);
    put(&scene, submission_of("a"));
    skep_child *child = bench_hire(&scene.bench, 0, 1);
    skep__jobs_dispatch_to(child->holder);
    failing_disk = FAILING_WRITE;
    bench_complete(child, 1, 1);
    bench_dismiss(child);
    stop(&scene);
    failing_disk = FAILING_NOT;
    start(&scene, *state);
    assert_job(&scene, 1, "a", SKEP__JOB_READY);
    assert_int_equal(find(&scene, 1)->attempt, 1);
    end(&scene);
}

static void test_a_copy_of_a_job_that_is_not_stored(void **state) {
    struct scene scene;
    struct skep__submission keyed = submission_of("a");
    struct one_put first, second;
    keyed.key = "key", keyed.key_bytes = 3;
    one_put_init(&first, &keyed);
    one_put_init(&second, &keyed);
    start(&scene, *state);
    failing_disk = FAILING_WRITE;
    skep__jobs_submit(scene.bench.cluster->jobs, scene.bench.queue, &first.batch, &first.put);
    skep__jobs_submit(scene.bench.cluster->jobs, scene.bench.queue, &second.batch, &second.put);
    PUMP_UNTIL(scene.bench.pump, second.answers == 1);
    assert_int_equal(first.answer.status, SKEP_ENOSPC);
    assert_int_equal(second.answer.status, SKEP_ENOSPC);
    failing_disk = FAILING_NOT;
    assert_int_equal(put(&scene, keyed), 2);
    end(&scene);
}

/* --- files that are not ours --- */

static void refuse(struct scene *scene, struct pump *pump, int status, const char *why) {
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){.jobs_dir = scene->dir});
    assert_int_equal(skep_cluster_start(cluster), status);
    assert_non_null(strstr(skep_cluster_why(cluster), why));
    hatch_free(pump, &cluster);
}

static void write_file(const struct scene *scene, const char *sql) {
    sqlite3 *sqlite;
    assert_int_equal(sqlite3_open(scene->path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static void test_what_is_refused(void **state) {
    struct scene scene;
    struct pump *pump = *state;
    start(&scene, pump);
    put(&scene, submission_of("a"));
    stop(&scene);
    write_file(&scene, "PRAGMA user_version = 2");
    refuse(&scene, pump, SKEP_EVERSION, "its format is 2, and this Skep knows formats up to 1");
    write_file(&scene, "PRAGMA user_version = 1; PRAGMA application_id = 5");
    refuse(&scene, pump, SKEP_EDIR, "it is a database, but not Skep's");
    int file = open(scene.path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(file, "nothing of the kind, and long enough to be looked at", 52), 52);
    close(file);
    refuse(&scene, pump, SKEP_EDIR, "file is not a database");
    pump_remove(scene.dir);
}

int main(void) {
    failing_disk_install();
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_jobs_in_their_order),
        PUMP_TEST(test_none_that_is_done),
        PUMP_TEST(test_what_may_have_begun_is_marked),
        PUMP_TEST(test_a_stop_loses_nothing),
        PUMP_TEST(test_a_dead_letter_with_its_cause),
        PUMP_TEST(test_a_failed_job_waits_as_before),
        PUMP_TEST(test_delays_and_times_to_live),
        PUMP_TEST(test_keys),
        PUMP_TEST(test_most_of_many_stay_on_the_disk),
        PUMP_TEST(test_a_full_disk),
        PUMP_TEST(test_an_end_waits_for_a_disk_that_fails),
        PUMP_TEST(test_a_broker_that_ends_while_the_disk_fails),
        PUMP_TEST(test_a_copy_of_a_job_that_is_not_stored),
        PUMP_TEST(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
