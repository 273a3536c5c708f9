/* SPDX-License-Identifier: MIT
 * A worker whose broker has gone ends, whatever handles of the user's are active; calls do not call back. */
#include "lib/bare_hive.h"

enum { TOO_LONG_MS = 5000 };

static void too_long(uv_timer_t *timer) {
    (void)timer;
    fail_msg("the loop still runs");
}

static void closed(uv_handle_t *handle) {
    (void)handle;
}

/* Runs an idle worker whose broker closes the link, until it ends. */
static void orphan(struct hive *h) {
    uv_timer_t timer;
    uv_timer_init(&h->pump->loop, &timer);
    uv_timer_start(&timer, too_long, TOO_LONG_MS, 0);
    assert_int_equal(skep_worker_ready(h->worker), SKEP_OK);
    close(h->link);
    h->link = -1;
    assert_int_equal(skep_worker_run(h->worker), SKEP_ECLOSED);
    assert_true(uv_is_active((uv_handle_t *)&timer));
    assert_false(skep_worker_is_connected(h->worker));
    uv_close((uv_handle_t *)&timer, closed);
    close_hive(h);
}

static void test_an_orphan_ends_with_a_timer(void **state) {
    orphan(open_hive(*state));
}

/* A broker that closes its end with messages unread, such as hello, leaves an error on the worker's. */
static void test_what_the_broker_said_last_does_not_hide_its_end(void **state) {
    struct hive *h = open_hive(*state);
    struct skep_command rest = {.id = SKEP_COMMAND_rest, .rest = {.listener = 1, .paused = true}};
    for (unsigned i = 0; i < 3; i++) tell(h, &rest);
    orphan(h);
}

static void replied(skep_worker *worker, int status, const void *data, size_t size_bytes, void *context) {
    int *got = context;
    (void)worker, (void)data, (void)size_bytes;
    *got = status;
}

static void test_leaving_without_a_broker_calls_back_later(void **state) {
    struct hive *h = open_hive(*state);
    int got = -1;
    assert_int_equal(skep_request(h->worker, 0, "any", "", 0, 0, replied, &got), SKEP_OK);
    close(h->link);
    h->link = -1;
    skep_disconnect(h->worker);
    assert_int_equal(got, -1);
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
    assert_int_equal(got, SKEP_ECLOSED);
    close_hive(h);
}

/* The user may still ask the worker after its last job, in the same turn. */
static void test_the_end_is_not_inside_a_call(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    give(h, "q", "k");
    PUMP_UNTIL(h->pump, h->kept_count == 1);
    h->worker->live = 1; /* a connection of descriptor 0 */
    close(h->link);
    h->link = -1;
    PUMP_UNTIL(h->pump, h->worker->leave_told);
    skep_job_complete(h->kept[0], SKEP_DONE);
    skep_connection_finished(h->worker, 0);
    assert_true(skep_worker_is_connected(h->worker));
    PUMP_UNTIL(h->pump, !skep_worker_is_connected(h->worker));
    close_hive(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_an_orphan_ends_with_a_timer),
        PUMP_TEST(test_what_the_broker_said_last_does_not_hide_its_end),
        PUMP_TEST(test_leaving_without_a_broker_calls_back_later),
        PUMP_TEST(test_the_end_is_not_inside_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
