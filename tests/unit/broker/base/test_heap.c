/* SPDX-License-Identifier: MIT
 * The heap, as listeners use it for their seats, against a plain search through all of them. */
#include "broker/hatch.h"
#include "common/container.h"

enum { SEATS = 60, STEPS = 20000 };

struct bench {
    skep_cluster cluster;
    struct skep__terms terms;
    struct skep__listener listener;
    struct skep__taker takers[SEATS];
    struct skep__seat seats[SEATS];
    uint64_t picks;
    unsigned seed;
};

static unsigned chance(struct bench *bench, unsigned limit) {
    bench->seed = bench->seed * 1103515245u + 12345u;
    return (bench->seed >> 16) % limit;
}

static void open_bench(struct bench *bench, enum skep_policy policy) {
    memset(bench, 0, sizeof *bench);
    bench->seed = 1;
    bench->cluster.settings.policy = policy;
    bench->terms.settings = &bench->cluster.settings;
    bench->listener.cluster = &bench->cluster;
    bench->listener.terms = &bench->terms;
    bench->listener.heap.before = skep__seat_is_before;
    for (unsigned i = 0; i < SEATS; i++) {
        bench->seats[i].taker = &bench->takers[i];
        bench->seats[i].listener = &bench->listener;
        bench->seats[i].picked = ++bench->picks;
    }
}

static uint64_t key(const struct bench *bench, const struct skep__seat *seat) {
    bool least = bench->cluster.settings.policy == SKEP_POLICY_LEAST_CONNECTIONS;
    return least ? seat->taker->live + seat->taker->untaken_count : seat->turns;
}

static const struct skep__seat *best_by_search(const struct bench *bench) {
    const struct skep__seat *best = NULL;
    for (unsigned i = 0; i < SEATS; i++) {
        const struct skep__seat *seat = &bench->seats[i];
        if (seat->node.index == 0) continue;
        bool better = best == NULL || key(bench, seat) < key(bench, best) ||
                      (key(bench, seat) == key(bench, best) && seat->picked < best->picked);
        if (better) best = seat;
    }
    return best;
}

static struct skep__seat *best_of(const struct bench *bench) {
    const struct skep__heap_node *first = skep__heap_first(&bench->listener.heap);
    return first != NULL ? SKEP_CONTAINER(first, struct skep__seat, node) : NULL;
}

static void change(struct bench *bench, struct skep__seat *seat) {
    seat->turns = chance(bench, 20);
    seat->taker->live = chance(bench, 10);
    seat->taker->untaken_count = chance(bench, 5);
    seat->picked = ++bench->picks;
    if (seat->node.index != 0) skep__heap_update(&bench->listener.heap, &seat->node);
}

static void step(struct bench *bench) {
    struct skep__seat *seat = &bench->seats[chance(bench, SEATS)];
    if (chance(bench, 3) > 0) change(bench, seat);
    else if (seat->node.index != 0) skep__heap_remove(&bench->listener.heap, &seat->node);
    else assert_int_equal(skep__heap_add(&bench->listener.heap, &seat->node), SKEP_OK);
}

static void try_policy(enum skep_policy policy) {
    static struct bench bench;
    open_bench(&bench, policy);
    assert_null(best_of(&bench));
    for (unsigned i = 0; i < STEPS; i++) {
        step(&bench);
        assert_ptr_equal(best_of(&bench), best_by_search(&bench));
    }
    size_t in_heap = 0;
    for (unsigned i = 0; i < SEATS; i++) in_heap += bench.seats[i].node.index != 0;
    assert_int_equal(bench.listener.heap.size, in_heap);
    skep__heap_free(&bench.listener.heap);
    assert_null(best_of(&bench));
}

static void test_by_turns(void **state) {
    (void)state;
    try_policy(SKEP_POLICY_ROUND_ROBIN);
}

static void test_by_connections(void **state) {
    (void)state;
    try_policy(SKEP_POLICY_LEAST_CONNECTIONS);
}

static void test_emptied_in_order(void **state) {
    static struct bench bench;
    (void)state;
    open_bench(&bench, SKEP_POLICY_ROUND_ROBIN);
    for (unsigned i = 0; i < SEATS; i++) {
        bench.seats[i].turns = (i * 37) % SEATS;
        assert_int_equal(skep__heap_add(&bench.listener.heap, &bench.seats[i].node), SKEP_OK);
    }
    for (unsigned i = 0; i < SEATS; i++) {
        struct skep__seat *best = best_of(&bench);
        assert_int_equal(best->turns, i);
        skep__heap_remove(&bench.listener.heap, &best->node);
        assert_int_equal(best->node.index, 0);
    }
    assert_null(best_of(&bench));
    skep__heap_free(&bench.listener.heap);
    assert_null(best_of(&bench));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_turns),
        cmocka_unit_test(test_by_connections),
        cmocka_unit_test(test_emptied_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
