/* SPDX-License-Identifier: MIT
 * Answers of a store that completes later: what clients and the primary hear, in which order, and who has left by then.
 */
#include "broker/visitor.h"
#include "scarce.h"

#include "journal/private.h"

struct scene {
    struct bench bench;
    struct visitor visitor;
    char error[256]; /* the latest */
};

static void note_error(skep_cluster *cluster, const skep_event *event, void *context) {
    struct scene *scene = context;
    (void)cluster;
    snprintf(scene->error, sizeof scene->error, "%s", event->reason);
}

static void open_held(struct scene *scene, void **state, const skep_settings *settings) {
    *scene = (struct scene){.error = ""};
    bench_open(&scene->bench, *state, settings);
    if (!later_is_installed(scene->bench.cluster)) later_install(scene->bench.cluster);
    assert_int_equal(skep_on(scene->bench.cluster, SKEP_EVENT_ERROR, note_error, scene), SKEP_OK);
    visitor_come(&scene->visitor, &scene->bench);
    later_hold(scene->bench.cluster, true);
}

static void close_scene(struct scene *scene) {
    visitor_go(&scene->visitor);
    bench_close(&scene->bench);
}

static void let_go(struct scene *scene) {
    later_hold(scene->bench.cluster, false);
    PUMP_UNTIL(scene->bench.pump, later_pending(scene->bench.cluster) == 0);
}

static void say_with_key(struct scene *scene, uint64_t number, bool outcomes) {
    static const struct skep_bytes key = {"k", 1};
    struct skep_command_submit submit = visitor_jobs(number, 1);
    SKEP_SET(submit, &submit, keys, ((struct skep_list){.count = 1, .borrowed = &key}));
    if (outcomes) SKEP_SET(submit, &submit, outcomes, true);
    visitor_say(&scene->visitor, &submit);
}

/* --- clients --- */

static void test_a_job_is_accepted_when_it_is_stored(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    skep_child *child = bench_hire(&scene.bench, 0, 10);
    visitor_submit(&scene.visitor, 1, 3, false);
    visitor_submit(&scene.visitor, 4, 2, false);
    visitor_expect_nothing_more(&scene.visitor);
    bench_assert(&scene.bench, 0, 0, 0);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_accepted, 1, 3, 1);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_accepted, 4, 2, 4);
    bench_assert(&scene.bench, 0, 5, 0); /* and given out */
    bench_dismiss(child);
    close_scene(&scene);
}

static void test_a_job_that_cannot_be_stored_is_declined(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    say_with_key(&scene, 1, true);
    later_fail(scene.bench.cluster, SKEP_ENOSPC);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_declined, 1, 1, 0);
    assert_int_equal(scene.visitor.log[0].status, SKEP_ENOSPC);
    assert_string_equal(scene.visitor.log[0].text, skep_strerror(SKEP_ENOSPC));
    assert_int_equal(scene.bench.queue->shelf->bytes, 0);
    assert_true(scene.bench.queue->shelf->empty);
    later_fail(scene.bench.cluster, SKEP_OK);
    say_with_key(&scene, 2, true); /* nothing has its key */
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_accepted, 2, 1, 1);
    assert_false(scene.visitor.log[1].duplicate);
    visitor_submit(&scene.visitor, 1, 1, false); /* told again as it was */
    visitor_expect(&scene.visitor, 2, SKEP_COMMAND_declined, 1, 1, 0);
    close_scene(&scene);
}

/* The first is not there yet when its copy comes. */
static void test_a_copy_of_a_pending_job(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    say_with_key(&scene, 1, true);
    say_with_key(&scene, 2, true);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_accepted, 1, 1, 1);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_accepted, 2, 1, 1);
    assert_true(scene.visitor.log[1].duplicate && scene.visitor.log[1].waits);
    close_scene(&scene);
}

static void test_answers_come_in_the_order_of_numbers(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    visitor_submit(&scene.visitor, 1, 2, false);
    skep_cluster_stop(scene.bench.cluster, false);
    visitor_submit(&scene.visitor, 3, 1, false); /* declined by the broker, which needs no store for that */
    visitor_expect_nothing_more(&scene.visitor);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_declined, 3, 1, 0);
    assert_int_equal(scene.visitor.log[1].status, SKEP_ESTATE);
    PUMP_UNTIL(scene.bench.pump, strstr(scene.error, "2 jobs are lost") != NULL);
    close_scene(&scene);
}

/* A part of them is stored, and one is done before the rest is. */
static void test_no_outcome_comes_before_its_answer(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    skep_child *child = bench_hire(&scene.bench, 0, 10);
    visitor_submit(&scene.visitor, 1, 4, true);
    later_put_some(scene.bench.cluster, 2);
    later_hold(scene.bench.cluster, false);
    visitor_expect_nothing_more(&scene.visitor); /* what has been answered waits for the rest */
    bench_assert(&scene.bench, 0, 2, 0);
    bench_complete(child, 1, 1);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_finished, 1, 1, 0);
    later_put_rest(scene.bench.cluster);
    visitor_expect(&scene.visitor, 2, SKEP_COMMAND_accepted, 3, 2, 3);
    bench_dismiss(child);
    close_scene(&scene);
}

static void test_what_comes_again_is_answered_once(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    visitor_submit(&scene.visitor, 1, 2, false);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    later_hold(scene.bench.cluster, true);
    visitor_submit(&scene.visitor, 3, 2, false);
    visitor_submit(&scene.visitor, 2, 4, false); /* answered, two that are pending, and a new one */
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_accepted, 2, 1, 0);
    visitor_expect_nothing_more(&scene.visitor);
    let_go(&scene);
    visitor_expect(&scene.visitor, 2, SKEP_COMMAND_accepted, 3, 2, 3);
    visitor_expect(&scene.visitor, 3, SKEP_COMMAND_accepted, 5, 1, 5);
    visitor_expect_nothing_more(&scene.visitor);
    bench_assert(&scene.bench, 5, 0, 0);
    close_scene(&scene);
}

/* What cannot be remembered is declined, in its place. */
static void test_no_memory_for_what_is_pending(void **state) {
    struct scene scene;
    struct skep_frame frame;
    open_held(&scene, state, NULL);
    visitor_submit(&scene.visitor, 1, 2, false);
    struct skep_command_submit submit = visitor_jobs(3, 4);
    visitor_begin(&scene.visitor, &frame);
    visitor_add_submit(&frame, &submit);
    scarce_has = scarce_nothing;
    visitor_end(&scene.visitor, &frame);
    scarce_has = NULL;
    visitor_submit(&scene.visitor, 7, 1, false);
    visitor_expect_nothing_more(&scene.visitor);
    PUMP_UNTIL(scene.bench.pump, scene.bench.cluster->memory.block != NULL);
    let_go(&scene);
    visitor_expect(&scene.visitor, 0, SKEP_COMMAND_accepted, 1, 2, 1);
    visitor_expect(&scene.visitor, 1, SKEP_COMMAND_declined, 3, 4, 0);
    assert_int_equal(scene.visitor.log[1].status, SKEP_ENOMEM);
    visitor_expect(&scene.visitor, 2, SKEP_COMMAND_accepted, 7, 1, 3);
    close_scene(&scene);
}

static void test_too_many_are_pending(void **state) {
    enum { FRAMES = 64 * 1024 / SKEP_MAX_LIST };
    struct scene scene;
    open_held(&scene, state, NULL);
    for (uint64_t i = 0; i < FRAMES; i++) visitor_submit(&scene.visitor, 1 + i * SKEP_MAX_LIST, SKEP_MAX_LIST, false);
    const uint64_t next = 1 + (uint64_t)FRAMES * SKEP_MAX_LIST;
    visitor_submit(&scene.visitor, next, 1, false);
    assert_int_equal(later_pending(scene.bench.cluster), FRAMES);
    let_go(&scene);
    for (unsigned i = 0; i < FRAMES; i++)
        visitor_expect(&scene.visitor, i, SKEP_COMMAND_accepted, 1 + (uint64_t)i * SKEP_MAX_LIST, SKEP_MAX_LIST,
                       1 + (uint64_t)i * SKEP_MAX_LIST);
    visitor_expect(&scene.visitor, FRAMES, SKEP_COMMAND_expected, next, 0, 0);
    visitor_submit(&scene.visitor, next, 1, false);
    visitor_expect(&scene.visitor, FRAMES + 1, SKEP_COMMAND_accepted, next, 1, next);
    visitor_expect_nothing_more(&scene.visitor);
    close_scene(&scene);
}

static void test_the_submitter_has_left(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    visitor_submit(&scene.visitor, 1, 3, true);
    skep_cluster_stop(scene.bench.cluster, false);
    visitor_submit(&scene.visitor, 4, 1, false); /* its answer is known, and waits */
    skep__session_end(visitor_session(&scene.visitor));
    let_go(&scene);
    bench_assert(&scene.bench, 3, 0, 0); /* jobs stay */
    close_scene(&scene);
}

static void test_the_broker_ends_while_jobs_are_pending(void **state) {
    struct scene scene;
    open_held(&scene, state, NULL);
    visitor_submit(&scene.visitor, 1, 3, true);
    say_with_key(&scene, 4, true);
    skep_cluster_stop(scene.bench.cluster, false);
    assert_int_equal(later_pending(scene.bench.cluster), 2);
    close_scene(&scene);
}

/* --- the primary --- */

struct heard {
    int status;
    uint64_t id;
    unsigned count;
};

static void hear(skep_cluster *cluster, uint64_t id, int status, const void *data, size_t size_bytes, void *context) {
    struct heard *heard = context;
    (void)cluster, (void)data, (void)size_bytes;
    *heard = (struct heard){.status = status, .id = id, .count = heard->count + 1};
}

static uint64_t submit(struct scene *scene, const skep_job_options *options, struct heard *heard) {
    uint64_t id = UINT64_MAX;
    assert_int_equal(
        skep_cluster_submit(scene->bench.cluster, "q", "x", 1, options, &id, heard != NULL ? hear : NULL, heard),
        SKEP_OK);
    return id;
}

static void test_the_primary_hears_later(void **state) {
    struct scene scene;
    struct heard heard = {0};
    open_held(&scene, state, NULL);
    skep_child *child = bench_hire(&scene.bench, 0, 10);
    assert_int_equal(submit(&scene, NULL, &heard), 0);
    let_go(&scene);
    bench_assert(&scene.bench, 0, 1, 0);
    assert_int_equal(heard.count, 0);
    bench_complete(child, 1, 1);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.status, SKEP_OK);
    assert_int_equal(heard.id, 1);
    bench_dismiss(child);
    close_scene(&scene);
}

static void test_the_primary_is_declined_later(void **state) {
    struct scene scene;
    struct heard heard = {0};
    open_held(&scene, state, NULL);
    submit(&scene, NULL, &heard);
    submit(&scene, NULL, NULL);
    later_fail(scene.bench.cluster, SKEP_ENOSPC);
    let_go(&scene);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.status, SKEP_ENOSPC);
    PUMP_UNTIL(scene.bench.pump, strstr(scene.error, "a job for queue q is not stored: no space left") != NULL);
    close_scene(&scene);
}

static void test_a_copy_of_the_primarys(void **state) {
    const skep_job_options keyed = {.key = "k"};
    struct scene scene;
    struct heard waits = {0}, late = {0};
    open_held(&scene, state, NULL);
    skep_child *child = bench_hire(&scene.bench, 0, 10);
    submit(&scene, &keyed, NULL);
    submit(&scene, &keyed, &waits);
    let_go(&scene);
    bench_complete(child, 1, 1);
    assert_int_equal(waits.status, SKEP_OK);
    assert_int_equal(waits.count, 1);
    submit(&scene, &keyed, &late);
    later_settle(scene.bench.cluster);
    assert_int_equal(late.status, SKEP_EDUPLICATE);
    assert_int_equal(late.id, 1);
    assert_string_equal(scene.error, "");
    bench_dismiss(child);
    close_scene(&scene);
}

static void test_the_broker_ends_before_the_primary_hears(void **state) {
    struct scene scene;
    struct heard accepted = {0}, pending = {0};
    open_held(&scene, state, NULL);
    submit(&scene, NULL, &accepted);
    let_go(&scene);
    later_hold(scene.bench.cluster, true);
    submit(&scene, NULL, &pending);
    submit(&scene, NULL, NULL);
    close_scene(&scene);
    assert_int_equal(accepted.count, 1);
    assert_int_equal(accepted.status, SKEP_ECLOSED);
    assert_int_equal(accepted.id, 1);
    assert_int_equal(pending.count, 1);
    assert_int_equal(pending.status, SKEP_ECLOSED);
    assert_int_equal(pending.id, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_a_job_is_accepted_when_it_is_stored),
        PUMP_TEST(test_a_job_that_cannot_be_stored_is_declined),
        PUMP_TEST(test_a_copy_of_a_pending_job),
        PUMP_TEST(test_answers_come_in_the_order_of_numbers),
        PUMP_TEST(test_no_outcome_comes_before_its_answer),
        PUMP_TEST(test_what_comes_again_is_answered_once),
        PUMP_TEST(test_no_memory_for_what_is_pending),
        PUMP_TEST(test_too_many_are_pending),
        PUMP_TEST(test_the_submitter_has_left),
        PUMP_TEST(test_the_broker_ends_while_jobs_are_pending),
        PUMP_TEST(test_the_primary_hears_later),
        PUMP_TEST(test_the_primary_is_declined_later),
        PUMP_TEST(test_a_copy_of_the_primarys),
        PUMP_TEST(test_the_broker_ends_before_the_primary_hears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
