/* SPDX-License-Identifier: MIT
 * Jobs on a disk that fails, or that has something else. */
#include "broker/disk_scene.h"
#include "broker/failing_disk.h"

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
        PUMP_TEST(test_a_full_disk),
        PUMP_TEST(test_an_end_waits_for_a_disk_that_fails),
        PUMP_TEST(test_a_broker_that_ends_while_the_disk_fails),
        PUMP_TEST(test_a_copy_of_a_job_that_is_not_stored),
        PUMP_TEST(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
