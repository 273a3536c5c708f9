/* SPDX-License-Identifier: MIT
 * Connections that have to wait for a worker: in their order, and no more than it has room for. */
#include "broker/hatch.h"

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *child; /* takes one at a time */
};

static void open_bench(struct bench *bench, struct pump *pump) {
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, &(skep_settings){.credit = 1});
    bench->cluster->connections->max_in_flight = 1000;
    bench->child = hatch_child(bench->cluster, 0);
}

static void close_bench(struct bench *bench, struct skep__listener *listeners, unsigned count) {
    hatch_free_child(bench->child);
    assert_int_equal(bench->cluster->connections->in_flight, 0);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(listeners[i].queued, 0);
        skep__heap_free(&listeners[i].heap);
    }
    hatch_free(bench->pump, &bench->cluster);
}

static struct skep__connection *give(struct skep__listener *listener) {
    struct skep__connection *connection = hatch_connection(listener, hatch_fd());
    skep__listener_give_back(listener, connection);
    return connection;
}

static struct skep__connection *handed(const struct bench *bench) {
    assert_int_equal(bench->child->taker->untaken_count, 1);
    return STAILQ_FIRST(&bench->child->taker->untaken);
}

static void take(struct bench *bench) {
    hatch_take(bench->child, UINT64_MAX);
}

static void test_they_wait_in_order(void **state) {
    struct bench bench;
    struct skep__listener listener;
    open_bench(&bench, *state);
    hatch_listener(&listener, bench.cluster);
    hatch_seat(&listener, bench.child);
    const struct skep__connection *first = give(&listener);
    assert_false(listener.paused);
    const struct skep__connection *second = give(&listener), *third = give(&listener);
    assert_true(listener.paused);
    assert_ptr_equal(handed(&bench), first);
    take(&bench);
    assert_ptr_equal(handed(&bench), second);
    assert_true(listener.paused);
    take(&bench);
    assert_ptr_equal(handed(&bench), third);
    assert_false(listener.paused);
    assert_true(STAILQ_EMPTY(&listener.waiting));
    close_bench(&bench, &listener, 1);
}

/* It has room for one, whichever listener that comes from. */
static void test_two_listeners_of_one_worker(void **state) {
    struct bench bench;
    struct skep__listener listeners[2];
    open_bench(&bench, *state);
    for (unsigned i = 0; i < 2; i++) {
        hatch_listener(&listeners[i], bench.cluster);
        hatch_seat(&listeners[i], bench.child);
    }
    give(&listeners[0]);
    for (unsigned i = 0; i < 2; i++) give(&listeners[i]);
    assert_true(listeners[0].paused && listeners[1].paused);
    take(&bench);
    assert_int_not_equal(handed(&bench)->listener == &listeners[0], listeners[0].paused);
    assert_int_not_equal(listeners[0].paused, listeners[1].paused);
    take(&bench);
    assert_int_equal(bench.child->taker->untaken_count, 1);
    assert_false(listeners[0].paused || listeners[1].paused);
    close_bench(&bench, listeners, 2);
}

static void test_a_closed_listener_keeps_none(void **state) {
    struct bench bench;
    struct skep__listener listener;
    open_bench(&bench, *state);
    hatch_listener(&listener, bench.cluster);
    hatch_seat(&listener, bench.child);
    listener.closed = true;
    listener.open_polls = 1; /* it is not to be freed here */
    give(&listener);
    assert_int_equal(listener.queued, 0);
    assert_int_equal(bench.child->taker->untaken_count, 0);
    close_bench(&bench, &listener, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_they_wait_in_order),
        PUMP_TEST(test_two_listeners_of_one_worker),
        PUMP_TEST(test_a_closed_listener_keeps_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
