/* SPDX-License-Identifier: MIT
 * Jobs in a worker: queues, jobs that are kept, those that wait, and leaving. */
#include "lib/bare_hive.h"

/* --- queues --- */

static void test_queues_are_told(void **state) {
    struct hive *h = open_hive(*state);
    read_link(h);
    h->answers[h->answers_bytes = 0] = '\0';
    handle(h, "resize");
    handle(h, "resize"); /* another handler, the same queue */
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 1), SKEP_OK);
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 20), SKEP_OK);
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 0), SKEP_EINVAL);
    assert_int_equal(skep_job_concurrency(h->worker, "resize", 65536), SKEP_EINVAL);
    assert_int_equal(skep_job_concurrency(h->worker, "other", 2), SKEP_EINVAL);
    assert_string_equal(skep_worker_why(h->worker), "other: no handler for this queue");
    read_link(h);
    assert_string_equal(h->answers, "handle {queue: \"resize\"}\nhandle {queue: \"resize\", concurrency: 20}\n");
    close_hive(h);
}

static void test_names_and_numbers_of_queues(void **state) {
    struct hive *h = open_hive(*state);
    char name[SKEP_MAX_NAME + 2];
    memset(name, 'n', sizeof name);
    name[SKEP_MAX_NAME + 1] = '\0';
    assert_int_equal(skep_on_job(h->worker, name, handler, h), SKEP_EINVAL);
    assert_int_equal(skep_on_job(h->worker, "", handler, h), SKEP_EINVAL);
    for (unsigned i = 0; i < SKEP__MAX_HANDLED; i++) {
        snprintf(name, sizeof name, "queue %u", i);
        handle(h, name);
    }
    assert_int_equal(skep_on_job(h->worker, "one more", handler, h), SKEP_ETOOBIG);
    assert_int_equal(skep_on_job(h->worker, "queue 3", handler, h), SKEP_OK);
    give(h, "queue 3", "d");
    give(h, "one more", "ddd");
    give(h, "queue 63", "d");
    expect(h, 3, "completed {delivery: 1}\nreleased {delivery: 2, n: 3}\ncompleted {delivery: 5}\n");
    close_hive(h);
}

static void test_what_a_job_says(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_frame items = {0};
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    struct skep_command_jobs *j = &command.jobs;
    handle(h, "q");
    assert_int_equal(skep__list_add(&items, "k", 1), SKEP_OK);
    *j = (struct skep_command_jobs){
        .queue = {"q", 1}, .delivery = 9, .id = 77, .lease_ms = 1234, .jobs = skep__list_of(&items, 1)};
    SKEP_SET(jobs, j, attempt, 3);
    SKEP_SET(jobs, j, redelivered, true);
    assert_int_equal(skep__outlet_add(h->inbox, &command), SKEP_OK);
    skep__frame_free(&items);
    uint64_t before_ms = uv_now(&h->pump->loop);
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    const skep_job *job = h->kept[0];
    assert_string_equal(job->queue, "q");
    assert_int_equal(job->id, 77);
    assert_int_equal(job->size_bytes, 1);
    assert_memory_equal(job->data, "k", 1);
    assert_int_equal(job->attempt, 3);
    assert_true(job->redelivered);
    assert_in_range(job->deadline_ms, before_ms + 1234, uv_now(&h->pump->loop) + 1234);
    close_hive(h);
}

/* --- kept jobs --- */

static void test_kept_jobs_hold_up_others(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    handle(h, "other");
    give(h, "q", "kdrkd");
    give(h, "other", "d");
    expect(h, 1, "completed {delivery: 6}\n");
    assert_string_equal(h->ran, "kd");
    assert_int_equal(skep_worker_jobs(h->worker), 1);
    assert_memory_equal(h->kept[0]->data, "k", 1);
    skep_job_complete(h->kept[0], SKEP_DONE);
    assert_string_equal(h->ran, "kd"); /* not inside that call */
    expect(h, 1, "completed {delivery: 1, n: 3, results: 3 items} '' '' 'r'\n");
    assert_string_equal(h->ran, "kddrk");
    skep_job_reason(h->kept[1], "broken");
    skep_job_complete(h->kept[1], SKEP_FAILED);
    expect(h, 2, "fail {delivery: 4, reason: \"broken\"}\ncompleted {delivery: 5}\n");
    assert_int_equal(skep_worker_jobs(h->worker), 0);
    close_hive(h);
}

/* What arrives between a completion and the end of the iteration does not overtake what has waited. */
static void test_those_that_wait_come_first(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_frame items = {0}, frame = {0};
    struct skep_command command = {.id = SKEP_COMMAND_jobs};
    handle(h, "q");
    give(h, "q", "kd");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    assert_int_equal(skep__list_add(&items, "r", 1), SKEP_OK);
    command.jobs = (struct skep_command_jobs){
        .queue = {"q", 1}, .delivery = 3, .id = 3, .lease_ms = LEASE_MS, .jobs = skep__list_of(&items, 1)};
    assert_int_equal(skep__frame_add(&frame, &command), SKEP_OK);
    skep_job_complete(h->kept[0], SKEP_DONE);
    skep__worker_inbox_received(h->worker, frame.data, frame.size_bytes, NULL);
    expect(h, 1, "completed {delivery: 1, n: 3, results: 3 items} '' '' 'r'\n");
    assert_string_equal(h->ran, "kdr");
    skep__frame_free(&items);
    skep__frame_free(&frame);
    close_hive(h);
}

static void test_concurrency(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(skep_job_concurrency(h->worker, "q", 2), SKEP_OK);
    give(h, "q", "kkkkd");
    PUMP_UNTIL(h->pump, h->kept_count == 2);
    assert_int_equal(skep_job_concurrency(h->worker, "q", 3), SKEP_OK);
    PUMP_UNTIL(h->pump, h->kept_count == 3);
    skep_job_complete(h->kept[1], SKEP_DONE);
    expect(h, 1, "completed {delivery: 2}\n");
    PUMP_UNTIL(h->pump, h->kept_count == 4);
    assert_string_equal(h->ran, "kkkk");
    skep_job_complete(h->kept[0], SKEP_RETRY);
    expect(h, 2, "retry {delivery: 1}\ncompleted {delivery: 5}\n");
    close_hive(h); /* with two that are kept */
}

static void note_turn(uv_prepare_t *prepare) {
    struct hive *h = prepare->data;
    strncat(h->ran, "|", sizeof h->ran - strlen(h->ran) - 1);
}

static unsigned count_of(const char *text, char wanted) {
    unsigned count = 0;
    for (; *text != '\0'; text++) count += *text == wanted;
    return count;
}

/* The most of one letter between two bars */
static unsigned most_of(const char *text, char wanted) {
    unsigned most = 0, count = 0;
    for (; *text != '\0'; text++) {
        count = *text == '|' ? 0 : count + (*text == wanted);
        if (count > most) most = count;
    }
    return most;
}

/* Handlers that block: the loop's other work comes between them, and the queues take turns. */
static void test_the_loop_has_its_turn(void **state) {
    struct hive *h = open_hive(*state);
    uv_prepare_t turns = {.data = h};
    handle(h, "q");
    handle(h, "other");
    h->worker->jobs.turn_ns = 3000000;
    give(h, "q", "ssss");
    give(h, "other", "ddss");
    uv_prepare_init(&h->pump->loop, &turns);
    uv_prepare_start(&turns, note_turn);
    PUMP_UNTIL(h->pump, count_of(h->ran, 's') == 6 && count_of(h->ran, 'd') == 2);
    assert_in_range(most_of(h->ran, 's'), 1, 2); /* two take longer than a turn */
    *strchr(h->ran, 'd') = '\0';
    assert_in_range(count_of(h->ran, 's'), 1, 2);
    uv_close((uv_handle_t *)&turns, NULL);
    close_hive(h);
}

static void test_extending(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "dxk");
    expect(h, 3, "completed {delivery: 1}\nextend {delivery: 2}\ncompleted {delivery: 2}\n");
    assert_int_equal(h->frames, 2); /* it does not wait for its handler's end */
    PUMP_LOOK_UNTIL(h->pump, uv_now(&h->pump->loop) + LEASE_MS > h->kept[0]->deadline_ms);
    assert_int_equal(skep_job_extend(h->kept[0]), SKEP_OK);
    assert_int_equal(h->kept[0]->deadline_ms, uv_now(&h->pump->loop) + LEASE_MS);
    expect(h, 1, "extend {delivery: 3}\n");
    close_hive(h);
}

/* --- leaving --- */

static void drain(struct hive *h) {
    struct skep_command command = {.id = SKEP_COMMAND_drain};
    command.drain.has = 0;
    tell(h, &command);
}

static bool transport_tells(void) {
    const char *transport = getenv(SKEP_ENV_TRANSPORT);
    return transport == NULL || strcmp(transport, "nng") != 0;
}

/* The last answers, after which the worker goes: when they are known to have been read. NNG cannot tell, and asks. */
static void expect_last(struct hive *h, unsigned count, const char *answers) {
    struct skep_command command = {.id = SKEP_COMMAND_newsEnd, .newsEnd = {.seq = 0}};
    char all[256];
    snprintf(all, sizeof all, "%s%s", answers, transport_tells() ? "" : "newsSince {seq: 18446744073709551615}\n");
    expect(h, count + !transport_tells(), all);
    if (!transport_tells()) {
        assert_true(skep_worker_is_connected(h->worker));
        assert_int_equal(skep__outlet_add(h->inbox, &command), SKEP_OK);
    }
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
}

static void test_leaving(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "kdd");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    drain(h);
    expect(h, 1, "released {delivery: 2, n: 2}\n");
    give(h, "q", "ddd");
    expect(h, 1, "released {delivery: 4, n: 3}\n");
    assert_int_equal(skep_on_job(h->worker, "more", handler, h), SKEP_ECLOSED);
    assert_true(skep_worker_is_connected(h->worker));
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect_last(h, 1, "completed {delivery: 1}\n");
    assert_string_equal(h->ran, "k");
    close_hive(h);
}

/* A handler makes the worker leave: the rest of its frame goes back. */
static void test_leaving_by_itself(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "dldd");
    expect_last(h, 2, "completed {delivery: 1, n: 2}\nreleased {delivery: 3, n: 2}\n");
    close_hive(h);
}

/* The last acknowledgement leaves although nothing else holds the worker up. */
static void test_completing_while_it_leaves(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "k");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    skep_disconnect(h->worker);
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect_last(h, 1, "completed {delivery: 1}\n");
    close_hive(h);
}

static void test_the_link_is_lost(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(skep_job_concurrency(h->worker, "q", 2), SKEP_OK);
    give(h, "q", "kk");
    PUMP_UNTIL(h->pump, h->kept_count == 2);
    close(h->link);
    h->link = -1;
    PUMP_UNTIL(h->pump, h->worker->phase == SKEP__WORKER_LEAVING);
    assert_memory_equal(h->kept[0]->data, "k", 1); /* still the user's */
    skep_job_complete(h->kept[0], SKEP_DONE);
    skep_job_complete(h->kept[1], SKEP_DONE);
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
    assert_int_equal(h->worker->result, SKEP_ECLOSED);
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_queues_are_told),
        PUMP_TEST(test_names_and_numbers_of_queues),
        PUMP_TEST(test_what_a_job_says),
        PUMP_TEST(test_kept_jobs_hold_up_others),
        PUMP_TEST(test_those_that_wait_come_first),
        PUMP_TEST(test_concurrency),
        PUMP_TEST(test_the_loop_has_its_turn),
        PUMP_TEST(test_extending),
        PUMP_TEST(test_leaving),
        PUMP_TEST(test_leaving_by_itself),
        PUMP_TEST(test_completing_while_it_leaves),
        PUMP_TEST(test_the_link_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
