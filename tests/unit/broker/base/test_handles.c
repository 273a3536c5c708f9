/* SPDX-License-Identifier: MIT
 * Handles that close: who waits is told once, when the last has. */
#include "lib/pump.h"

#include "base/handles.h"

enum { TIMERS = 3 };

struct block {
    struct skep__handles handles;
    uv_timer_t timers[TIMERS];
};

static unsigned told;

static void tell(struct skep__handles *handles) {
    assert_int_equal(handles->closing, 0);
    told++;
}

static struct block *make_block(struct pump *pump) {
    struct block *block = calloc(1, sizeof *block);
    assert_non_null(block);
    for (unsigned i = 0; i < TIMERS; i++) assert_int_equal(uv_timer_init(&pump->loop, &block->timers[i]), 0);
    told = 0;
    return block;
}

static void close_timer(struct block *block, unsigned i) {
    skep__handle_close(&block->handles, (uv_handle_t *)&block->timers[i]);
}

static void test_is_told_when_the_last_has_closed(void **state) {
    struct block *block = make_block(*state);
    block->handles.closed = tell;
    for (unsigned i = 0; i < TIMERS; i++) close_timer(block, i);
    assert_int_equal(block->handles.closing, TIMERS);
    assert_int_equal(told, 0); /* never inside the call */
    pump_turns(*state, 1);
    assert_int_equal(told, 1);
    free(block);
}

/* Some have closed before anybody waits. */
static void test_nobody_waits_yet(void **state) {
    struct block *block = make_block(*state);
    close_timer(block, 0);
    pump_turns(*state, 1);
    assert_int_equal(block->handles.closing, 0);
    block->handles.closed = tell;
    close_timer(block, 1);
    close_timer(block, 2);
    pump_turns(*state, 1);
    assert_int_equal(told, 1);
    free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_is_told_when_the_last_has_closed),
        PUMP_TEST(test_nobody_waits_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
