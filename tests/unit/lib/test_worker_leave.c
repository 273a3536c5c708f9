/* SPDX-License-Identifier: MIT
 * A worker whose broker has gone ends, whatever handles of the user's are active. */
#include "bare_hive.h"

enum { TOO_LONG_MS = 5000 };

static void too_long(uv_timer_t *timer) {
    (void)timer;
    fail_msg("the loop still runs");
}

static void closed(uv_handle_t *handle) {
    (void)handle;
}

static void test_an_orphan_ends_with_a_timer(void **state) {
    struct pump *pump = *state;
    struct hive *h = open_hive(pump);
    uv_timer_t timer;
    uv_timer_init(&pump->loop, &timer);
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

int main(void) {
    const struct CMUnitTest tests[] = {PUMP_TEST(test_an_orphan_ends_with_a_timer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
