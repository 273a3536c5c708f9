/* SPDX-License-Identifier: MIT
 * Jobs that are on the disk only: looked for, cancelled and waited for; and how jobs ended, as long as that is kept. */
#include <sqlite3.h>

#include "broker/asked.h"
#include "jobs/disk/private.h"

enum { FRAME = 1000, FRAMES = 70, MANY = FRAME * FRAMES, RESULTS_MS = 50 };

struct scene {
    struct bench bench;
    char dir[SKEP_MAX_DIR + 1];
};

static void start(struct scene *scene, void **state, unsigned results_ms) {
    struct pump *pump = *state;
    snprintf(scene->dir, sizeof scene->dir, "%s.disk", pump->dir);
    open_bench(&scene->bench, pump, &(skep_settings){.attempts = 3, .jobs_dir = scene->dir, .results_ms = results_ms});
    hear_outcomes(scene->bench.cluster);
}

static void stop(struct scene *scene) {
    close_bench(&scene->bench);
}

static void end(struct scene *scene) {
    stop(scene);
    pump_remove(scene->dir);
}

static struct skep__disk *disk_of(const struct scene *scene) {
    return skep__disk_of(scene->bench.cluster->jobs->store);
}

static void count(struct skep__put *put, const struct skep__answer *answer) {
    (void)put;
    assert_int_equal(answer->status, SKEP_OK);
}

static void settle(const struct scene *scene) {
    wanted_settle_disk(scene->bench.cluster);
}

/* More than are shown: the last ones are stored only. */
static void put_many(const struct scene *scene) {
    static struct skep_bytes items[FRAME];
    struct skep__put put = {count};
    for (unsigned i = 0; i < FRAME; i++) items[i] = (struct skep_bytes){"12345678", 8};
    const struct skep__batch batch = {.common = plain(), .jobs = {.count = FRAME, .borrowed = items}};
    for (unsigned i = 0; i < FRAMES; i++) {
        skep__jobs_submit(scene->bench.cluster->jobs, scene->bench.queue, &batch, &put);
        settle(scene);
    }
    assert_true(scene->bench.queue->shelf->stored_count > FRAME);
}

static struct asked ask(const struct scene *scene, uint64_t id, bool cancels) {
    static struct asked asked;
    ask_only(scene->bench.cluster, &asked, id, cancels);
    for (unsigned i = 0; i < 4 && asked.answers == 0; i++) settle(scene);
    assert_int_equal(asked.answers, 1);
    return asked;
}

/* A worker that does all there is, at once; how many jobs that were. */
static uint64_t do_all(struct scene *scene) {
    const struct skep__shelf *shelf = scene->bench.queue->shelf;
    const uint64_t before = shelf->done;
    skep_child *child = hire(&scene->bench, 0, 1000);
    for (uint64_t next = 1; shelf->ready_count + shelf->stored_count + shelf->reserved_count > 0;) {
        skep__jobs_dispatch_to(child->holder);
        uint64_t end = child->holder->deliveries.next;
        if (end > next) complete(child, next, end - next);
        next = end;
        settle(scene);
    }
    settle(scene);
    dismiss(child);
    return shelf->done - before;
}

static void test_one_that_is_not_in_memory(void **state) {
    struct scene scene;
    start(&scene, state, 0);
    put_many(&scene);
    assert_null(skep__jobs_find(scene.bench.cluster->jobs, MANY));
    struct asked asked = ask(&scene, MANY, false);
    assert_int_equal(asked.status, SKEP_OK);
    assert_string_equal(asked.state, "ready");
    assert_string_equal(asked.queue, "q");
    assert_string_equal(asked.text, "12345678");
    assert_int_equal(ask(&scene, MANY + 1, false).status, SKEP_ENOJOB);
    end(&scene);
}

static void test_they_are_cancelled_there(void **state) {
    static const uint64_t ids[] = {MANY, MANY - 1, MANY - FRAME};
    struct scene scene;
    const uint64_t count = sizeof ids / sizeof *ids;
    start(&scene, state, 0);
    put_many(&scene);
    const uint64_t stored = scene.bench.queue->shelf->stored_count;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ask(&scene, ids[i], true).status, SKEP_OK);
        assert_string_equal(ask(&scene, ids[i], false).state, "cancelled");
        assert_int_equal(ask(&scene, ids[i], true).status, SKEP_EENDED);
    }
    assert_int_equal(scene.bench.queue->shelf->stored_count, stored - count);
    stop(&scene);
    start(&scene, state, 0);
    const struct skep__shelf *shelf = scene.bench.queue->shelf;
    settle(&scene);
    assert_int_equal(shelf->ready_count + shelf->stored_count, MANY - count);
    assert_int_equal(do_all(&scene), MANY - count);
    assert_int_equal(shelf->kept_count, 0);
    for (size_t i = 0; i < count; i++) assert_string_equal(ask(&scene, ids[i], false).state, "cancelled");
    assert_string_equal(ask(&scene, MANY - 2, false).state, "done");
    stop(&scene);
    start(&scene, state, 0);
    assert_int_equal(skep__jobs_unfinished(scene.bench.cluster->jobs), 0);
    end(&scene);
}

/* All of them, so that their row goes; beside others that are being read to be shown. */
static void test_a_whole_row_is_cancelled(void **state) {
    static struct asked asked[FRAME];
    struct scene scene;
    start(&scene, state, 0);
    put_many(&scene);
    skep_child *child = hire(&scene.bench, 0, 1000);
    for (unsigned i = 0; i < FRAME; i++) ask_only(scene.bench.cluster, &asked[i], MANY - i, true);
    skep__jobs_dispatch_to(child->holder);
    for (unsigned i = 0; i < 4; i++) settle(&scene);
    for (unsigned i = 0; i < FRAME; i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].status, SKEP_OK);
    }
    dismiss(child);
    assert_int_equal(do_all(&scene), MANY - FRAME);
    assert_int_equal(skep__jobs_unfinished(scene.bench.cluster->jobs), 0);
    end(&scene);
}

static void test_who_waits_for_one_that_is_stored(void **state) {
    struct scene scene;
    start(&scene, state, 0);
    put_many(&scene);
    assert_int_equal(skep__jobs_await(scene.bench.cluster->jobs, MANY, 7, 70), SKEP_OK);
    assert_int_equal(skep__jobs_await(scene.bench.cluster->jobs, MANY - 1, 7, 71), SKEP_OK);
    settle(&scene);
    assert_int_equal(heard.count, 0);
    assert_int_equal(ask(&scene, MANY - 1, true).status, SKEP_OK);
    assert_heard(0, 7, 71, SKEP_EDEAD, "cancelled", "");
    do_all(&scene);
    assert_int_equal(heard.count, 2);
    assert_heard(1, 7, 70, SKEP_OK, "", "");
    end(&scene);
}

/* Who submitted them is known in memory only. */
static void test_outcomes_that_are_wanted_of_many(void **state) {
    struct scene scene;
    struct skep__submission wanted = plain();
    uint64_t id = 0;
    wanted.client = 7;
    wanted.number = 70;
    wanted.wants_outcome = true;
    start(&scene, state, 0);
    put_many(&scene);
    assert_int_equal(ledger_put(scene.bench.cluster, scene.bench.queue, &wanted, &id), SKEP_OK);
    do_all(&scene);
    assert_int_equal(heard.count, 1);
    assert_heard(0, 7, 70, SKEP_OK, "", "");
    end(&scene);
}

/* That it was wanted is known after a start, too: its result is kept, though there is none to speak of. */
static void test_a_result_outlasts_the_broker_that_was_asked_for_it(void **state) {
    struct scene scene;
    struct skep__submission wanted = plain();
    uint64_t id = 0;
    wanted.client = 7;
    wanted.number = 70;
    wanted.wants_outcome = true;
    start(&scene, state, 0);
    assert_int_equal(ledger_put(scene.bench.cluster, scene.bench.queue, &wanted, &id), SKEP_OK);
    stop(&scene);
    start(&scene, state, 0);
    do_all(&scene);
    assert_int_equal(skep__jobs_await(scene.bench.cluster->jobs, id, 8, 80), SKEP_OK);
    settle(&scene);
    assert_heard(heard.count - 1, 8, 80, SKEP_OK, "", "");
    assert_int_equal(ask(&scene, id, false).attempt, 1);
    end(&scene);
}

static int64_t number_in(const struct scene *scene, const char *sql) {
    char path[SKEP_MAX_DIR + 16];
    sqlite3 *sqlite = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/jobs.db", scene->dir);
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(sqlite);
    return number;
}

/* Five rows of one job each, of which one has a result: in whichever order they end, one row says that of them. */
static void test_rows_that_end_together(void **state) {
    static const uint64_t order[] = {3, 4, 2, 1, 5};
    struct scene scene;
    const struct skep_bytes result = skep__text("result");
    const char *why;
    start(&scene, state, 0);
    submit(&scene.bench, 5);
    settle(&scene);
    skep_child *child = hire(&scene.bench, 0, 5);
    begin(child, 1, 5);
    for (size_t i = 0; i < 5; i++) {
        struct skep_command_completed command = {.delivery = order[i]};
        if (order[i] == 4)
            SKEP_SET(completed, &command, results, ((struct skep_list){.count = 1, .borrowed = &result}));
        assert_int_equal(skep__jobs_completed(child->holder, &command, &why), SKEP_OK);
    }
    settle(&scene);
    for (uint64_t id = 1; id <= 5; id++) assert_string_equal(ask(&scene, id, false).state, "done");
    assert_string_equal(ask(&scene, 4, false).text, "result");
    dismiss(child);
    stop(&scene);
    assert_int_equal(number_in(&scene, "SELECT count(*) FROM ended"), 1);
    assert_int_equal(number_in(&scene, "SELECT n FROM ended"), 5);
    assert_int_equal(number_in(&scene, "SELECT count(*) FROM results"), 1);
    pump_remove(scene.dir);
}

static void test_it_is_forgotten(void **state) {
    struct scene scene;
    start(&scene, state, RESULTS_MS);
    submit(&scene.bench, 2);
    settle(&scene);
    assert_int_equal(ask(&scene, 2, true).status, SKEP_OK);
    do_all(&scene);
    assert_string_equal(ask(&scene, 1, false).state, "done");
    assert_string_equal(ask(&scene, 2, false).state, "cancelled");
    const uint64_t then_ms = skep__wall_ms();
    PUMP_LOOK_UNTIL(*state, skep__wall_ms() > then_ms + RESULTS_MS);
    disk_of(&scene)->forgot_ms -= 3600000; /* as if it had not been looked at for long */
    submit(&scene.bench, 1);
    settle(&scene);
    assert_int_equal(ask(&scene, 1, false).status, SKEP_ENOJOB);
    assert_int_equal(ask(&scene, 2, false).status, SKEP_ENOJOB);
    end(&scene);
}

static void test_a_question_at_the_end(void **state) {
    struct scene scene;
    struct asked asked;
    start(&scene, state, 0);
    ask_only(scene.bench.cluster, &asked, 1, false);
    assert_int_equal(asked.answers, 0);
    end(&scene);
    assert_int_equal(asked.answers, 1);
}

static void test_the_same_place_is_known(void **state) {
    struct scene scene;
    start(&scene, state, 0);
    const uint64_t identity = skep__jobs_identity(scene.bench.cluster->jobs);
    assert_int_not_equal(identity, 0);
    stop(&scene);
    start(&scene, state, 0);
    assert_int_equal(skep__jobs_identity(scene.bench.cluster->jobs), identity);
    end(&scene);
    start(&scene, state, 0);
    assert_int_not_equal(skep__jobs_identity(scene.bench.cluster->jobs), identity);
    end(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_one_that_is_not_in_memory),
        PUMP_TEST(test_they_are_cancelled_there),
        PUMP_TEST(test_a_whole_row_is_cancelled),
        PUMP_TEST(test_who_waits_for_one_that_is_stored),
        PUMP_TEST(test_outcomes_that_are_wanted_of_many),
        PUMP_TEST(test_a_result_outlasts_the_broker_that_was_asked_for_it),
        PUMP_TEST(test_rows_that_end_together),
        PUMP_TEST(test_it_is_forgotten),
        PUMP_TEST(test_a_question_at_the_end),
        PUMP_TEST(test_the_same_place_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
