/* SPDX-License-Identifier: MIT
 * Counts of workers that end: their pages complete what they have reported, and nothing counts twice. */
#include "broker/hatch.h"
#include "common/text.h"

#include "messages/private.h"

struct bench {
    struct pump *pump;
    skep_cluster *cluster;
    skep_child *children[2];
    struct skep_page pages[2];
};

static struct bench *open_bench(struct pump *pump) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->pump = pump;
    bench->cluster = hatch_cluster(pump, NULL);
    assert_int_equal(skep_cluster_start(bench->cluster), SKEP_OK);
    for (unsigned i = 0; i < 2; i++) {
        bench->children[i] = hatch_child(bench->cluster, i);
        bench->children[i]->page = &bench->pages[i];
        bench->pages[i].writes = 1;
    }
    return bench;
}

static void close_bench(struct bench *bench) {
    for (unsigned i = 0; i < 2; i++) hatch_free_child(bench->children[i]);
    hatch_free(bench->pump, &bench->cluster);
    free(bench);
}

static void report_requests(struct bench *bench, skep_child *child, uint64_t n) {
    struct skep_command_incrementRequestCount report = {.has = 0};
    SKEP_SET(incrementRequestCount, &report, n, n);
    skep__count_requests(bench->cluster, child, &report);
}

static void report(struct bench *bench, skep_child *child, const char *name, uint64_t n) {
    struct skep_command_incrementCount report = {.name = skep__text(name)};
    SKEP_SET(incrementCount, &report, n, n);
    skep__count_named(bench->cluster, child, &report);
}

static void put(struct bench *bench, unsigned i, const char *name, uint64_t count) {
    struct skep_page_counter *counter = &bench->pages[i].counters[bench->pages[i].counter_count++];
    snprintf(counter->name, sizeof counter->name, "%s", name);
    counter->count = count;
}

/* UINT64_MAX: there is no such counter. */
static uint64_t total(const struct bench *bench, const char *name) {
    for (unsigned i = 0; i < bench->cluster->messages->counter_count; i++)
        if (strcmp(bench->cluster->messages->counters[i].name, name) == 0)
            return bench->cluster->messages->counters[i].count;
    return UINT64_MAX;
}

static void test_the_rest_is_on_the_page(void **state) {
    struct bench *bench = open_bench(*state);
    skep_child *first = bench->children[0], *second = bench->children[1];
    report_requests(bench, first, 5);
    report_requests(bench, second, 100);
    report(bench, first, "cats", 2);
    report(bench, second, "cats", 40);
    bench->pages[0].requests = 8;
    put(bench, 0, "dogs", 9); /* nothing of it was reported */
    put(bench, 0, "cats", 6);
    skep__messages_worker_ended(first);
    assert_int_equal(first->talker->requests, 8);
    assert_int_equal(bench->cluster->messages->requests, 108);
    assert_int_equal(total(bench, "cats"), 46);
    assert_int_equal(total(bench, "dogs"), 9);
    bench->pages[1].requests = 100;
    put(bench, 1, "cats", 41);
    skep__messages_worker_ended(second);
    assert_int_equal(second->talker->requests, 100);
    assert_int_equal(bench->cluster->messages->requests, 108);
    assert_int_equal(total(bench, "cats"), 47);
    close_bench(bench);
}

static void test_only_once(void **state) {
    struct bench *bench = open_bench(*state);
    report_requests(bench, bench->children[0], 5);
    bench->pages[0].requests = 8;
    put(bench, 0, "cats", 6);
    put(bench, 0, "cats", 4); /* a name twice is rubbish: the greater sum counts */
    put(bench, 0, "cats", 7);
    for (unsigned i = 0; i < 2; i++) skep__messages_worker_ended(bench->children[0]);
    assert_int_equal(bench->cluster->messages->requests, 8);
    assert_int_equal(total(bench, "cats"), 7);
    close_bench(bench);
}

/* One that reports by commands alone, with a page that it keeps for its jobs, or not at all. */
static void test_no_sums_on_the_page(void **state) {
    struct bench *bench = open_bench(*state);
    for (unsigned i = 0; i < 2; i++) {
        report_requests(bench, bench->children[i], 5);
        report(bench, bench->children[i], "cats", 2);
    }
    bench->pages[1].writes = 0;
    bench->pages[1].requests = 1000;
    put(bench, 1, "cats", 1000);
    for (unsigned i = 0; i < 2; i++) skep__messages_worker_ended(bench->children[i]);
    bench->children[0]->page = NULL;
    skep__messages_worker_ended(bench->children[0]);
    assert_int_equal(bench->cluster->messages->requests, 10);
    assert_int_equal(total(bench, "cats"), 4);
    close_bench(bench);
}

/* A sum below what was reported takes nothing away. */
static void test_too_little_on_the_page(void **state) {
    struct bench *bench = open_bench(*state);
    report_requests(bench, bench->children[0], 5);
    report(bench, bench->children[0], "cats", 5);
    bench->pages[0].requests = 3;
    put(bench, 0, "cats", 3);
    skep__messages_worker_ended(bench->children[0]);
    assert_int_equal(bench->children[0]->talker->requests, 5);
    assert_int_equal(bench->cluster->messages->requests, 5);
    assert_int_equal(total(bench, "cats"), 5);
    close_bench(bench);
}

static void test_rubbish_on_the_page(void **state) {
    struct bench *bench = open_bench(*state);
    report_requests(bench, bench->children[0], 5);
    report(bench, bench->children[0], "cats", 5);
    memset(&bench->pages[0], 0xff, sizeof bench->pages[0]);
    bench->pages[0].writes = 1;
    skep__messages_worker_ended(bench->children[0]); /* no name ends */
    assert_int_equal(bench->cluster->messages->counter_count, 1);
    assert_int_equal(total(bench, "cats"), 5);
    bench->pages[0].counter_count = 0;
    put(bench, 0, "cats", UINT64_MAX);
    put(bench, 0, "", 1);
    put(bench, 0, "none", 0);
    skep__messages_worker_ended(bench->children[0]);
    assert_int_equal(bench->cluster->messages->counter_count, 1);
    report(bench, bench->children[1], "cats", 5); /* the sums stay where they are */
    report_requests(bench, bench->children[1], 5);
    assert_int_equal(total(bench, "cats"), UINT64_MAX);
    assert_int_equal(bench->cluster->messages->requests, UINT64_MAX);
    assert_int_equal(bench->children[1]->talker->requests, 5);
    close_bench(bench);
}

/* More names than the broker keeps: those that came first. */
static void test_too_many_names(void **state) {
    struct bench *bench = open_bench(*state);
    char name[16];
    for (unsigned i = 0; i < SKEP_MAX_COUNTERS - 1; i++) {
        snprintf(name, sizeof name, "c%u", i);
        report(bench, NULL, name, 1);
    }
    put(bench, 0, "cats", 6);
    put(bench, 0, "dogs", 9);
    put(bench, 0, "c5", 3);
    assert_false(bench->cluster->messages->counters_said);
    skep__messages_worker_ended(bench->children[0]);
    assert_int_equal(bench->cluster->messages->counter_count, SKEP_MAX_COUNTERS);
    assert_true(bench->cluster->messages->counters_said);
    assert_int_equal(total(bench, "cats"), 6);
    assert_int_equal(total(bench, "dogs"), UINT64_MAX);
    assert_int_equal(total(bench, "c5"), 4);
    close_bench(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_the_rest_is_on_the_page), PUMP_TEST(test_only_once),
        PUMP_TEST(test_no_sums_on_the_page),     PUMP_TEST(test_too_little_on_the_page),
        PUMP_TEST(test_rubbish_on_the_page),     PUMP_TEST(test_too_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
