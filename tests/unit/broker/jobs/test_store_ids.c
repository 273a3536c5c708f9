/* SPDX-License-Identifier: MIT
 * The table of ids: as it grows and shrinks, each job is found, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* the three above come before */
#include <cmocka.h>

#include "jobs/store_ids.h"

enum { MANY = 5000 };

struct jobs {
    struct skep__ids ids;
    struct skep__job *all;
    bool there[MANY];
};

static void open_jobs(struct jobs *jobs, uint64_t step) {
    *jobs = (struct jobs){.all = calloc(MANY, sizeof *jobs->all)};
    assert_non_null(jobs->all);
    assert_int_equal(skep__ids_init(&jobs->ids), SKEP_OK);
    for (size_t i = 0; i < MANY; i++) jobs->all[i].id = 1 + i * step;
}

static void close_jobs(struct jobs *jobs) {
    skep__ids_free(&jobs->ids);
    free(jobs->all);
}

static void change(struct jobs *jobs, size_t i) {
    if (jobs->there[i]) skep__ids_remove(&jobs->ids, &jobs->all[i]);
    else skep__ids_add(&jobs->ids, &jobs->all[i]);
    jobs->there[i] = !jobs->there[i];
}

static void check(const struct jobs *jobs) {
    size_t count = 0;
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(skep__ids_find(&jobs->ids, jobs->all[i].id), jobs->there[i] ? &jobs->all[i] : NULL);
        count += jobs->there[i];
    }
    assert_int_equal(jobs->ids.count, count);
    assert_null(skep__ids_find(&jobs->ids, 0));
    assert_null(skep__ids_find(&jobs->ids, UINT64_MAX));
}

static void fill_and_empty(uint64_t step) {
    struct jobs jobs;
    open_jobs(&jobs, step);
    for (size_t i = 0; i < MANY; i++) {
        change(&jobs, i);
        if (i % 997 == 0) check(&jobs);
    }
    check(&jobs);
    assert_true(jobs.ids.used >= MANY);
    for (size_t i = 0; i < MANY; i++) {
        change(&jobs, i);
        if (i % 997 == 0) check(&jobs);
    }
    check(&jobs);
    assert_in_range(jobs.ids.used, 1, 64);
    assert_in_range(jobs.ids.room, 64, 512);
    close_jobs(&jobs);
}

static void test_ids_in_a_row(void **state) {
    (void)state;
    fill_and_empty(1);
}

/* Chains are as long as they can be then. */
static void test_ids_that_fall_together(void **state) {
    (void)state;
    fill_and_empty(64);
}

static void test_coming_and_going(void **state) {
    struct jobs jobs;
    unsigned seed = 1;
    (void)state;
    open_jobs(&jobs, 3);
    for (size_t i = 0; i < 50000; i++) {
        seed = seed * 1103515245u + 12345u;
        change(&jobs, seed / 65536 % MANY);
        if (i % 9973 == 0) check(&jobs);
    }
    check(&jobs);
    close_jobs(&jobs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_in_a_row),
        cmocka_unit_test(test_ids_that_fall_together),
        cmocka_unit_test(test_coming_and_going),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
