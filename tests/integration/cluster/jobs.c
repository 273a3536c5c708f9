/* SPDX-License-Identifier: MIT
 * Jobs of the primary's own, and of workers that hand work on; workers that leave in the midst of it; what a stop
 * leaves. */
#include "hive.h"
#include "roles.h"

#include <skep/client.h>

enum { JOBS = 200, LEAVES_AFTER = 7, KEPT = 2 };

/* --- workers --- */

static void set_result(skep_job *job, const char *what) {
    char text[64];
    int length = snprintf(text, sizeof text, "%s %.*s%s", what, (int)job->size_bytes, (const char *)job->data,
                          job->redelivered ? " redelivered" : "");
    role_need(skep_job_result(job, text, (size_t)length), "result");
}

static skep_verdict do_at_once(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    set_result(job, context);
    return SKEP_DONE;
}

static void begin_echo(skep_worker *worker) {
    role_need(skep_on_job(worker, "q", do_at_once, "done"), "q");
}

static void begin_second(skep_worker *worker) {
    role_need(skep_on_job(worker, "second", do_at_once, "second"), "second");
}

/* Keeps what it gets until it is to leave. */
static skep_job *kept[KEPT];
static unsigned kept_count;

static skep_verdict keep(skep_worker *worker, skep_job *job, void *context) {
    (void)context;
    kept[kept_count++] = job;
    role_tell(worker, "kept", "");
    return SKEP_KEEP;
}

static void complete_kept(skep_worker *worker, void *context) {
    (void)worker;
    (void)context;
    for (unsigned i = 0; i < kept_count; i++) {
        set_result(kept[i], "kept");
        skep_job_complete(kept[i], SKEP_DONE);
    }
}

static void begin_keeper(skep_worker *worker) {
    role_need(skep_on_job(worker, "q", keep, NULL), "q");
    role_need(skep_job_concurrency(worker, "q", KEPT), "concurrency");
    skep_on_leave(worker, complete_kept, NULL);
}

/* Leaves by itself after a few jobs, with others waiting. */
static skep_verdict do_and_leave(skep_worker *worker, skep_job *job, void *context) {
    static unsigned count;
    set_result(job, context);
    if (++count == LEAVES_AFTER) skep_disconnect(worker);
    return SKEP_DONE;
}

static void begin_leaver(skep_worker *worker) {
    role_need(skep_on_job(worker, "q", do_and_leave, "done"), "q");
}

static void answer_nothing(skep_worker *worker, const skep_message *message, void *context) {
    (void)message;
    (void)context;
    role_tell(worker, "asked", "");
}

static void begin_mute(skep_worker *worker) {
    skep_on_message(worker, answer_nothing, NULL);
}

/* Hands each job on to a second queue, and is done when that is. */
static skep_client *second;

static void handed_on(skep_client *client, const skep_outcome *outcome, void *context) {
    skep_job *job = context;
    (void)client;
    role_need(outcome->status, "outcome");
    role_need(skep_job_result(job, outcome->data, outcome->size_bytes), "result");
    skep_job_complete(job, SKEP_DONE);
}

static skep_verdict hand_on(skep_worker *worker, skep_job *job, void *context) {
    (void)worker;
    (void)context;
    role_need(skep_submit(second, "second", job->data, job->size_bytes, NULL, NULL, handed_on, job), "submit");
    return SKEP_KEEP;
}

static void begin_first(skep_worker *worker) {
    role_need(skep_client_new(&second, &(skep_client_options){.worker = worker}), "client");
    role_need(skep_on_job(worker, "first", hand_on, NULL), "first");
    role_need(skep_job_concurrency(worker, "first", JOBS), "concurrency");
}

static const struct role roles[] = {
    {"echo", begin_echo},     {"second", begin_second}, {"keeper", begin_keeper},
    {"leaver", begin_leaver}, {"mute", begin_mute},     {NULL, NULL},
};

/* On a loop of its own, with a client beside it */
static int play_first(void) {
    uv_loop_t loop;
    skep_worker *worker;
    if (uv_loop_init(&loop) != 0) return ROLE_BROKEN;
    role_need(skep_worker_new(&worker, &(skep_worker_options){.loop = &loop}), "join");
    begin_first(worker);
    int status = skep_worker_run(worker);
    skep_client_free(&second);
    skep_worker_free(&worker);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 ? skep_exit_status(status) : ROLE_BROKEN;
}

static int play(void) {
    const char *role = getenv("SKEP_TEST_ROLE");
    return role != NULL && strcmp(role, "first") == 0 ? play_first() : role_play(roles);
}

/* --- the primary's side --- */

struct outcomes {
    unsigned count, done, kept, redelivered;
    int status; /* of the last that was not done */
    uint64_t id;
    char text[64]; /* of the last */
};

static void note_outcome(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes,
                         void *context) {
    struct outcomes *outcomes = context;
    (void)cluster;
    outcomes->count++;
    outcomes->id = id;
    if (status == SKEP_OK) outcomes->done++;
    else outcomes->status = status;
    snprintf(outcomes->text, sizeof outcomes->text, "%.*s", (int)size_bytes, size_bytes > 0 ? (const char *)data : "");
    outcomes->kept += strncmp(outcomes->text, "kept", 4) == 0;
    outcomes->redelivered += strstr(outcomes->text, "redelivered") != NULL;
}

static void submit(struct hive *hive, const char *queue, unsigned count, struct outcomes *outcomes) {
    char text[16];
    for (unsigned i = 0; i < count; i++) {
        int length = snprintf(text, sizeof text, "%u", i);
        assert_int_equal(skep_cluster_submit(hive->cluster, queue, text, (size_t)length, NULL, NULL,
                                             outcomes != NULL ? note_outcome : NULL, outcomes),
                         SKEP_OK);
    }
}

static void test_the_primary_hears_of_each_job(void **state) {
    struct hive *hive = *state;
    struct outcomes outcomes = {0};
    hive_start(hive, NULL);
    submit(hive, "q", JOBS, &outcomes); /* this starts the cluster */
    hive_fork(hive, "echo", NULL);
    hive_fork(hive, "echo", NULL);
    HIVE_LOOK_UNTIL(hive, outcomes.count == JOBS);
    assert_int_equal(outcomes.done, JOBS);
    assert_int_equal(outcomes.redelivered, 0);
    struct outcomes one = {0};
    uint64_t id = 0;
    assert_int_equal(skep_cluster_submit(hive->cluster, "q", "x", 1, NULL, &id, note_outcome, &one), SKEP_OK);
    HIVE_LOOK_UNTIL(hive, one.count == 1);
    assert_string_equal(one.text, "done x");
    assert_int_equal(one.id, id);
}

static void test_a_worker_hands_its_jobs_on(void **state) {
    struct hive *hive = *state;
    struct outcomes outcomes = {0};
    hive_start(hive, NULL);
    hive_fork_ready(hive, "first", NULL);
    hive_fork_ready(hive, "second", NULL);
    submit(hive, "first", JOBS, &outcomes);
    HIVE_LOOK_UNTIL(hive, outcomes.count == JOBS);
    assert_int_equal(outcomes.done, JOBS);
    assert_memory_equal(outcomes.text, "second ", 7);
    skep_cluster_stop(hive->cluster, false);
    hive_run_dry(hive);
    for (uint32_t id = 1; id <= 2; id++) assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->code, 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 0);
}

/* Kept jobs are finished, what waits goes to others as if it had never been away. */
static void test_a_worker_that_leaves_loses_nothing(void **state) {
    struct hive *hive = *state;
    struct outcomes outcomes = {0};
    hive_start(hive, NULL);
    skep_child *keeper = hive_fork_ready(hive, "keeper", NULL);
    submit(hive, "q", 10, &outcomes);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "kept") == KEPT);
    skep_child_disconnect(keeper);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->code, 0);
    HIVE_LOOK_UNTIL(hive, outcomes.kept == KEPT);
    assert_int_equal(outcomes.count, KEPT);
    hive_fork(hive, "echo", NULL);
    HIVE_LOOK_UNTIL(hive, outcomes.count == 10);
    assert_int_equal(outcomes.done, 10);
    assert_int_equal(outcomes.redelivered, 0);
}

static void replace(skep_cluster *cluster, const skep_event *event, void *context) {
    const char *role[] = {"SKEP_TEST_ROLE=leaver", NULL};
    (void)event;
    if (skep_fork(cluster, role, NULL) != SKEP_OK) *(bool *)context = true;
}

/* What a worker has answered before it left counts, however soon its process ends. */
static void test_workers_that_come_and_go(void **state) {
    struct hive *hive = *state;
    struct outcomes outcomes = {0};
    bool failed = false;
    hive_start(hive, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_EXIT, replace, &failed), SKEP_OK);
    submit(hive, "q", JOBS, &outcomes);
    hive_fork(hive, "leaver", NULL);
    hive_fork(hive, "leaver", NULL);
    HIVE_LOOK_UNTIL(hive, outcomes.count == JOBS);
    assert_false(failed);
    assert_int_equal(outcomes.done, JOBS);
    assert_int_equal(outcomes.redelivered, 0);
    assert_true(hive_count(hive, SKEP_EVENT_EXIT, 0) >= JOBS / LEAVES_AFTER / 2);
}

/* --- the end --- */

static void test_a_stop_says_what_is_lost(void **state) {
    struct hive *hive = *state;
    struct outcomes outcomes = {0};
    hive_start(hive, NULL);
    hive_fork_ready(hive, "keeper", NULL);
    submit(hive, "q", 10, &outcomes);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "kept") == KEPT);
    skep_cluster_stop(hive->cluster, false);
    hive_run_dry(hive);
    assert_int_equal(outcomes.kept, KEPT); /* these are not */
    assert_int_equal(outcomes.count, KEPT);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 1);
    assert_string_equal(hive_find(hive, SKEP_EVENT_ERROR, 0)->reason, "8 jobs are lost: they were in memory only");
    assert_int_equal(hive->log[hive->count - 1].kind, SKEP_EVENT_ERROR); /* it comes last */
    hive_end(hive);
    assert_int_equal(outcomes.count, 10);
    assert_int_equal(outcomes.status, SKEP_ECLOSED);
}

static void test_a_stop_at_once_says_what_is_lost(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "keeper", NULL);
    submit(hive, "q", 10, NULL);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "kept") == KEPT);
    skep_cluster_stop(hive->cluster, true);
    hive_run_dry(hive);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 1);
    assert_string_equal(hive_find(hive, SKEP_EVENT_ERROR, 0)->reason, "10 jobs are lost: they were in memory only");
}

static void note_reply(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    note_outcome(cluster, 0, status, data, size_bytes, context);
}

static void test_what_is_due_is_told_when_the_cluster_is_freed(void **state) {
    struct hive *hive = *state;
    struct outcomes replies = {0}, outcomes = {0};
    hive_start(hive, NULL);
    skep_child *mute = hive_fork_ready(hive, "mute", NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(skep_child_request(mute, "m", NULL, 0, 60000, note_reply, &replies), SKEP_OK);
    submit(hive, "q", 4, &outcomes);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "asked") == 3);
    size_t events = hive->count;
    hive_end(hive);
    assert_int_equal(replies.count, 3);
    assert_int_equal(replies.status, SKEP_ECLOSED);
    assert_int_equal(outcomes.count, 4);
    assert_int_equal(outcomes.status, SKEP_ECLOSED);
    assert_int_equal(hive->count, events);
}

int main(void) {
    if (skep_is_worker()) return play();
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_the_primary_hears_of_each_job),
        HIVE_TEST(test_a_worker_hands_its_jobs_on),
        HIVE_TEST(test_a_worker_that_leaves_loses_nothing),
        HIVE_TEST(test_workers_that_come_and_go),
        HIVE_TEST(test_a_stop_says_what_is_lost),
        HIVE_TEST(test_a_stop_at_once_says_what_is_lost),
        HIVE_TEST(test_what_is_due_is_told_when_the_cluster_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
