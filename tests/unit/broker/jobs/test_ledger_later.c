/* SPDX-License-Identifier: MIT
 * Ends of jobs in a store that completes later: nobody hears of them before, and no worker gets the job again. */
#include "broker/visitor.h"

#include "journal/private.h"

struct scene {
    struct bench bench;
    struct visitor visitor;
    skep_child *child;
    char error[256]; /* the latest */
};

static void note_error(skep_cluster *cluster, const skep_event *event, void *context) {
    struct scene *scene = context;
    (void)cluster;
    snprintf(scene->error, sizeof scene->error, "%s", event->reason);
}

/* Two jobs have been given to a worker, and the store holds back what comes next. */
static void open_scene(struct scene *scene, void **state) {
    *scene = (struct scene){.error = ""};
    bench_open(&scene->bench, *state, NULL);
    if (!later_is_installed(scene->bench.cluster)) later_install(scene->bench.cluster);
    assert_int_equal(skep_on(scene->bench.cluster, SKEP_EVENT_ERROR, note_error, scene), SKEP_OK);
    visitor_come(&scene->visitor, &scene->bench);
    scene->child = bench_hire(&scene->bench, 0, 10);
    visitor_submit(&scene->visitor, 1, 2, true);
    visitor_expect(&scene->visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    bench_assert(&scene->bench, 0, 2, 0);
    later_hold(scene->bench.cluster, true);
}

static void close_scene(struct scene *scene) {
    bench_dismiss(scene->child);
    visitor_go(&scene->visitor);
    bench_close(&scene->bench);
}

static void let_go(struct scene *scene) {
    later_hold(scene->bench.cluster, false);
    PUMP_UNTIL(scene->bench.pump, later_pending(scene->bench.cluster) == 0);
}

static const struct skep__job *look(const struct scene *scene, enum skep__job_state state) {
    struct skep__store *store = scene->bench.cluster->jobs->store;
    return store->kind->next(store, scene->bench.queue->shelf, state, NULL);
}

static void assert_shown(const struct scene *scene, unsigned ready, unsigned reserved, unsigned dead) {
    const struct skep__shelf *shelf = scene->bench.queue->shelf;
    bench_assert(&scene->bench, ready, reserved, shelf->done);
    assert_int_equal(shelf->dead_count, dead);
    assert_int_equal(look(scene, SKEP__JOB_READY) != NULL, ready > 0);
    assert_int_equal(look(scene, SKEP__JOB_RESERVED) != NULL, reserved > 0);
    assert_int_equal(look(scene, SKEP__JOB_DEAD) != NULL, dead > 0);
}

static void complete(struct scene *scene, uint64_t number, const char *result) {
    const struct skep_bytes bytes = {result, strlen(result)};
    struct skep_command_completed command = {.delivery = number};
    const char *why;
    SKEP_SET(completed, &command, results, ((struct skep_list){.count = 1, .borrowed = &bytes}));
    assert_int_equal(skep__jobs_completed(scene->child->holder, &command, &why), SKEP_OK);
    skep__jobs_dispatch_to(scene->child->holder);
    skep__sessions_flush(scene->bench.cluster);
}

static void fail_with(struct scene *scene, uint64_t number, const char *reason) {
    struct skep_command_fail fail = {.delivery = number, .reason = skep__text(reason)};
    skep__jobs_failed(scene->child->holder, &fail);
    skep__jobs_dispatch_to(scene->child->holder);
}

static void test_an_outcome_is_told_when_it_is_stored(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    complete(&scene, 1, "one");
    complete(&scene, 2, "two");
    assert_shown(&scene, 0, 0, 0);
    assert_int_equal(scene.bench.queue->shelf->done, 0);
    visitor_expect_nothing_more(&scene.visitor);
    let_go(&scene);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_finished, 1, 2, 0);
    assert_string_equal(scene.visitor.log[1].text, "onetwo");
    assert_int_equal(scene.bench.queue->shelf->done, 2);
    close_scene(&scene);
}

/* Its worker's death, another worker and an operator find nothing of it. */
static void test_what_is_done_is_not_given_again(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    complete(&scene, 1, "one");
    bench_dismiss(scene.child);
    assert_shown(&scene, 1, 0, 0); /* only the other one */
    assert_int_equal(look(&scene, SKEP__JOB_READY)->id, 2);
    scene.child = bench_hire(&scene.bench, 1, 10);
    assert_shown(&scene, 0, 1, 0);
    skep__take_back_all(scene.child->holder);
    assert_int_equal(look(&scene, SKEP__JOB_READY)->id, 2);
    let_go(&scene);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_finished, 1, 1, 0);
    visitor_expect_nothing_more(&scene.visitor);
    assert_int_equal(scene.bench.queue->shelf->done, 1);
    close_scene(&scene);
}

/* What is done stays done: it is stored as soon as that can be. */
static void test_a_store_in_trouble(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    later_fail(scene.bench.cluster, SKEP_ENOSPC);
    complete(&scene, 1, "one");
    visitor_submit(&scene.visitor, 3, 1, false);
    later_hold(scene.bench.cluster, false);
    PUMP_UNTIL(scene.bench.pump, strstr(scene.error, "jobs cannot be stored: no space left") != NULL);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_declined, 3, 1, 0);
    visitor_expect_nothing_more(&scene.visitor);
    assert_shown(&scene, 0, 1, 0);
    later_fail(scene.bench.cluster, SKEP_OK);
    visitor_expect(&scene.visitor, 2, SKEP_COMMAND_finished, 1, 1, 0);
    close_scene(&scene);
}

static void test_a_death_is_told_when_it_is_stored(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    fail_with(&scene, 1, "no");
    assert_shown(&scene, 0, 1, 0);
    assert_int_equal(skep__jobs_revive(scene.bench.cluster->jobs, NULL, 0), 0);
    assert_int_equal(skep__jobs_drop(scene.bench.cluster->jobs, NULL, 0), 0);
    visitor_expect_nothing_more(&scene.visitor);
    let_go(&scene);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_died, 1, 0, 0);
    assert_shown(&scene, 0, 1, 1);
    assert_string_equal(look(&scene, SKEP__JOB_DEAD)->death->reason, "no");
    close_scene(&scene);
}

static void test_a_dead_letter_is_revived_later(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    fail_with(&scene, 1, "no");
    fail_with(&scene, 2, "no");
    let_go(&scene);
    assert_shown(&scene, 0, 0, 2);
    later_hold(scene.bench.cluster, true);
    assert_int_equal(skep__jobs_revive(scene.bench.cluster->jobs, NULL, 1), 1);
    assert_int_equal(skep__jobs_drop(scene.bench.cluster->jobs, NULL, 0), 1);
    assert_int_equal(skep__jobs_revive(scene.bench.cluster->jobs, NULL, 0), 0);
    assert_shown(&scene, 0, 0, 0);
    let_go(&scene);
    assert_shown(&scene, 0, 1, 0); /* and given out */
    assert_int_equal(look(&scene, SKEP__JOB_RESERVED)->id, 1);
    close_scene(&scene);
}

static void test_a_retry_is_ready_when_it_is_stored(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    bench_retry(scene.child, 1);
    skep__jobs_dispatch_to(scene.child->holder);
    assert_shown(&scene, 0, 1, 0);
    let_go(&scene);
    assert_shown(&scene, 0, 2, 0);
    assert_int_equal(scene.bench.queue->redelivered, 1);
    close_scene(&scene);
}

static void test_a_queue_with_something_pending_stays(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    skep_cluster *cluster = scene.bench.cluster;
    struct skep_command_submit submit = visitor_jobs(3, 1);
    submit.queue = skep__text("r");
    visitor_say(&scene.visitor, &submit);
    skep__queues_tidy(cluster->jobs->queues, 0);
    skep__queues_tidy(cluster->jobs->queues, SKEP__QUEUE_KEPT_MS);
    assert_non_null(skep__queues_find(cluster->jobs->queues, "r", 1));
    later_fail(cluster, SKEP_ESYS);
    let_go(&scene);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_declined, 3, 1, 0);
    skep__queues_tidy(cluster->jobs->queues, 0);
    skep__queues_tidy(cluster->jobs->queues, SKEP__QUEUE_KEPT_MS);
    assert_null(skep__queues_find(cluster->jobs->queues, "r", 1));
    close_scene(&scene);
}

static void test_the_broker_ends_while_ends_are_pending(void **state) {
    struct scene scene;
    open_scene(&scene, state);
    complete(&scene, 1, "one");
    fail_with(&scene, 2, "no");
    assert_int_equal(later_pending(scene.bench.cluster), 2);
    close_scene(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_an_outcome_is_told_when_it_is_stored),
        PUMP_TEST(test_what_is_done_is_not_given_again),
        PUMP_TEST(test_a_store_in_trouble),
        PUMP_TEST(test_a_death_is_told_when_it_is_stored),
        PUMP_TEST(test_a_dead_letter_is_revived_later),
        PUMP_TEST(test_a_retry_is_ready_when_it_is_stored),
        PUMP_TEST(test_a_queue_with_something_pending_stays),
        PUMP_TEST(test_the_broker_ends_while_ends_are_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
