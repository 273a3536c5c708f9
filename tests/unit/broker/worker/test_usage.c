/* SPDX-License-Identifier: MIT
 * What workers use of the machine: looked at some a turn, and once a second. */
#include "broker/hatch.h"

#include <unistd.h>

#include "worker/private.h"

enum { MANY = 200, A_TURN = 64 };

struct bench {
    skep_cluster *cluster;
    uv_idle_t busy; /* a broker's loop turns for other reasons too */
    skep_child *children[MANY];
    unsigned count;
};

static unsigned calls; /* of was_fresh */

static void was_fresh(skep_cluster *cluster) {
    (void)cluster;
    calls++;
}

static void do_nothing(uv_idle_t *idle) {
    (void)idle;
}

/* Workers that are all this process. */
static void open_bench(struct bench *bench, struct pump *pump, unsigned count) {
    calls = 0;
    bench->cluster = hatch_cluster(pump, NULL);
    bench->count = count;
    uv_idle_init(&pump->loop, &bench->busy);
    uv_idle_start(&bench->busy, do_nothing);
    for (unsigned i = 0; i < count; i++) {
        bench->children[i] = hatch_child(bench->cluster, i);
        bench->children[i]->pid = getpid();
        hatch_list(bench->children[i]);
    }
}

static void close_bench(struct bench *bench, struct pump *pump) {
    for (unsigned i = 0; i < bench->count; i++) {
        hatch_unlist(bench->children[i]);
        hatch_free_child(bench->children[i]);
    }
    uv_close((uv_handle_t *)&bench->busy, NULL);
    hatch_free(pump, &bench->cluster);
}

static unsigned looked_at(const struct bench *bench) {
    unsigned n = 0;
    for (unsigned i = 0; i < bench->count; i++) n += bench->children[i]->process->usage.looked;
    return n;
}

/* As if all had been looked at a while ago. */
static void grow_old(struct bench *bench) {
    for (unsigned i = 0; i < bench->count; i++) bench->children[i]->process->usage.looked = false;
}

static void test_few_are_looked_at_at_once(void **state) {
    struct bench bench;
    open_bench(&bench, *state, A_TURN);
    assert_true(skep__usage_refresh(bench.cluster, was_fresh));
    assert_int_equal(looked_at(&bench), A_TURN);
    assert_true(bench.children[A_TURN - 1]->process->usage.rss_bytes > 100000);
    assert_int_equal(calls, 0);
    close_bench(&bench, *state);
}

static void test_many_take_some_turns(void **state) {
    struct bench bench;
    open_bench(&bench, *state, MANY);
    assert_false(skep__usage_refresh(bench.cluster, was_fresh));
    assert_int_equal(looked_at(&bench), A_TURN);
    assert_false(skep__usage_refresh(bench.cluster, was_fresh));
    assert_int_equal(looked_at(&bench), A_TURN);
    pump_turns(*state, 1);
    assert_int_equal(looked_at(&bench), 2 * A_TURN);
    assert_int_equal(calls, 0);
    pump_turns(*state, 3);
    assert_int_equal(looked_at(&bench), MANY);
    assert_int_equal(calls, 1);
    assert_true(skep__usage_refresh(bench.cluster, was_fresh));
    close_bench(&bench, *state);
}

static void test_what_was_looked_at_a_moment_ago_is_not_again(void **state) {
    struct bench bench;
    open_bench(&bench, *state, 2);
    assert_true(skep__usage_refresh(bench.cluster, was_fresh));
    bench.children[0]->process->usage.rss_bytes = bench.children[1]->process->usage.rss_bytes = 1;
    assert_true(skep__usage_refresh(bench.cluster, was_fresh));
    assert_int_equal(bench.children[0]->process->usage.rss_bytes, 1);
    grow_old(&bench);
    assert_true(skep__usage_refresh(bench.cluster, was_fresh));
    assert_true(bench.children[0]->process->usage.rss_bytes > 100000);
    close_bench(&bench, *state);
}

static void test_one_that_has_ended_keeps_its_last(void **state) {
    struct bench bench;
    open_bench(&bench, *state, 1);
    bench.children[0]->process->usage = (struct skep__usage){.rss_bytes = 7, .cpu_ms = 8};
    bench.children[0]->exited = true;
    assert_true(skep__usage_refresh(bench.cluster, was_fresh));
    assert_int_equal(bench.children[0]->process->usage.rss_bytes, 7);
    assert_int_equal(bench.children[0]->process->usage.cpu_ms, 8);
    close_bench(&bench, *state);
}

static void test_nobody_is_called_after_a_stop(void **state) {
    struct bench bench;
    open_bench(&bench, *state, MANY);
    assert_false(skep__usage_refresh(bench.cluster, was_fresh));
    skep__usage_stop(bench.cluster);
    pump_turns(*state, 5);
    assert_int_equal(calls, 0);
    close_bench(&bench, *state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_few_are_looked_at_at_once),
        PUMP_TEST(test_many_take_some_turns),
        PUMP_TEST(test_what_was_looked_at_a_moment_ago_is_not_again),
        PUMP_TEST(test_one_that_has_ended_keeps_its_last),
        PUMP_TEST(test_nobody_is_called_after_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
