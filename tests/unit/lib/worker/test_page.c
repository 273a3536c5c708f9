/* SPDX-License-Identifier: MIT
 * The page that a worker shares with its broker. */
#include "lib/bare_hive.h"

#include <sys/stat.h>

#include "page_claims.h"

/* --- the page --- */

static void test_the_page(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_int_equal(h->page->writes, 2);
    assert_int_equal(h->page->beats, 0);
    give(h, "q", "dd");
    expect(h, 1, "completed {delivery: 1, n: 2}\n");
    assert_int_equal(h->running, 2); /* inside the handler */
    assert_true(skep__claim_is_begun(h->page, 1));
    assert_true(skep__claim_is_begun(h->page, 2));
    assert_in_range(skep__claim_age_ms(h->page, 1, uv_hrtime() / 1000000), 0, 10000);
    assert_int_equal(h->page->running, 0);
    close_hive(h);
}

/* Each by itself: a job that waits has not begun because a later one of another queue has. */
static void test_what_waits_has_not_begun(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    handle(h, "other");
    give(h, "q", "kd");
    give(h, "other", "d");
    expect(h, 1, "completed {delivery: 3}\n");
    assert_true(skep__claim_is_begun(h->page, 1));
    assert_false(skep__claim_is_begun(h->page, 2));
    assert_true(skep__claim_is_begun(h->page, 3));
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect(h, 1, "completed {delivery: 1, n: 2}\n");
    assert_int_equal(h->running, 2);
    close_hive(h);
}

/* Neither what comes in a row nor what has waited. */
static void test_what_was_taken_back_does_not_run(void **state) {
    struct hive *h = open_hive(*state);
    handle(h, "q");
    assert_true(skep__claim_take(h->page, 2));
    give(h, "q", "dddk");
    expect(h, 2, "completed {delivery: 1}\ncompleted {delivery: 3}\n");
    give(h, "q", "dd");
    assert_true(skep__claim_take(h->page, 5));
    skep_job_complete(h->kept[0], SKEP_DONE);
    expect(h, 2, "completed {delivery: 4}\ncompleted {delivery: 6}\n");
    close_hive(h);
}

static void test_counts(void **state) {
    struct hive *h = open_hive(*state);
    skep_count(h->worker, "requests", 3);
    skep_count(h->worker, "cats", 2);
    assert_int_equal(h->page->requests, 3);
    assert_int_equal(h->page->counter_count, 1);
    assert_string_equal(h->page->counters[0].name, "cats");
    assert_int_equal(h->page->counters[0].count, 2);
    close_hive(h);
}

static void test_beats(void **state) {
    struct hive *h = calloc(1, sizeof *h);
    assert_non_null(h);
    open_hive_with(*state, make_page(h), 1, h);
    assert_int_equal(h->page->beats, 1);
    PUMP_LOOK_UNTIL(h->pump, h->page->beats >= 4);
    close_hive(h);
}

/* A closed one may have been given to something else meanwhile. */
static void assert_same_file(int fd, int own) {
    struct stat a, b;
    if (fd < 0) return;
    assert_int_equal(fstat(fd, &a), 0);
    assert_int_equal(fstat(own, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_dev, b.st_dev);
    close(fd);
    close(own);
}

/* What is no page stays as it is, and jobs are done without. */
static void try_foreign(struct pump *pump, int fd) {
    struct hive *h = calloc(1, sizeof *h);
    int own = fd >= 0 ? dup(fd) : -1;
    assert_non_null(h);
    open_hive_with(pump, fd, 1, h);
    handle(h, "q");
    give(h, "q", "d");
    expect(h, 1, "completed {delivery: 1}\n");
    skep_count(h->worker, "cats", 2);
    expect(h, 1, "incrementCount {name: \"cats\", n: 2}\n");
    assert_same_file(fd, own);
    close_hive(h);
}

static void test_foreign_descriptors(void **state) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    try_foreign(*state, pipes[0]);
    close(pipes[1]);
    try_foreign(*state, -1);
    int empty = memfd_create("small", MFD_CLOEXEC);
    try_foreign(*state, empty);
    int other = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(ftruncate(other, SKEP_PAGE_BYTES), 0);
    try_foreign(*state, other);
}

/* That of an older broker has no room for counts: a store behind its end would be the worker's end. */
static void test_a_smaller_page(void **state) {
    enum { OLD_BYTES = 4096 };
    int fd = memfd_create("old", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, OLD_BYTES), 0);
    struct skep_page *page = mmap(NULL, OLD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    page->magic = SKEP_PAGE_MAGIC;
    try_foreign(*state, fd);
    assert_int_equal(page->writes | page->begun | page->beats, 0);
    munmap(page, OLD_BYTES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_the_page),
        PUMP_TEST(test_what_waits_has_not_begun),
        PUMP_TEST(test_what_was_taken_back_does_not_run),
        PUMP_TEST(test_counts),
        PUMP_TEST(test_beats),
        PUMP_TEST(test_foreign_descriptors),
        PUMP_TEST(test_a_smaller_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
