/* SPDX-License-Identifier: MIT
 * Connections that a worker could not take: they go to another. */
#include "broker/hatch.h"

enum { WORKERS = 2 };

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    struct skep__listener listener;
    skep_child *children[WORKERS];
};

static void open_bench(struct bench *bench, struct pump *pump) {
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, NULL);
    bench->cluster->connections->max_in_flight = 1000;
    hatch_listener(&bench->listener, bench->cluster);
    for (uint32_t i = 0; i < WORKERS; i++) {
        bench->children[i] = hatch_child(bench->cluster, i);
        hatch_list(bench->children[i]);
        hatch_seat(&bench->listener, bench->children[i]);
    }
}

static void close_bench(struct bench *bench) {
    for (unsigned i = 0; i < WORKERS; i++) {
        hatch_unlist(bench->children[i]);
        hatch_free_child(bench->children[i]);
    }
    assert_int_equal(bench->listener.queued, 0);
    assert_int_equal(bench->cluster->connections->in_flight, 0);
    skep__heap_free(&bench->listener.heap);
    hatch_free(bench->pump, &bench->cluster);
}

/* Both have one, and that has left for them. */
static void hand_out(struct bench *bench) {
    for (unsigned i = 0; i < WORKERS; i++) assert_true(skep__dispatch(hatch_connection(&bench->listener, hatch_fd())));
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(bench->children[i]->taker->untaken_count, 1);
        bench->children[i]->taker->unsent = NULL;
    }
}

static void test_what_is_refused_goes_to_another(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    hand_out(&bench);
    struct skep__taker *first = bench.children[0]->taker, *second = bench.children[1]->taker;
    const struct skep__connection *refused = STAILQ_FIRST(&first->untaken);
    skep__refused(bench.children[0], refused->number + 1); /* it was never handed */
    assert_false(first->refusing);
    skep__refused(bench.children[0], refused->number);
    assert_true(first->refusing);
    assert_int_equal(first->untaken_count, 0);
    assert_int_equal(second->untaken_count, 2);
    assert_ptr_equal(second->unsent, refused);
    assert_int_equal(bench.cluster->connections->redispatched, 1);
    assert_int_equal(bench.cluster->connections->accepted, WORKERS); /* it counts once */
    PUMP_LOOK_UNTIL(bench.pump, !first->refusing);                   /* it is tried again */
    close_bench(&bench);
}

static void test_the_end_of_a_link(void **state) {
    struct bench bench;
    open_bench(&bench, *state);
    hand_out(&bench);
    assert_true(skep__dispatch(hatch_connection(&bench.listener, hatch_fd())));
    assert_int_equal(bench.children[0]->taker->untaken_count, 2); /* one of them has not left */
    bench.children[0]->link = -1;
    skep__connections_link_closed(bench.children[0]);
    assert_false(skep__has_listeners(bench.children[0]));
    assert_int_equal(bench.children[0]->taker->untaken_count, 0);
    assert_null(bench.children[0]->taker->unsent);
    assert_int_equal(bench.children[1]->taker->untaken_count, 3);
    assert_int_equal(bench.cluster->connections->redispatched, 2);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_what_is_refused_goes_to_another),
        PUMP_TEST(test_the_end_of_a_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
