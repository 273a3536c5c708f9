/* SPDX-License-Identifier: MIT
 * Pages: shared, zero but for their mark, of a size that nobody changes. */
#include "lib/pump.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "worker/private.h"

static void test_shared(void **state) {
    struct skep_page *page = NULL;
    int fd = -1;
    struct stat st;
    (void)state;
    assert_int_equal(skep__page_new(&page, &fd), SKEP_OK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, SKEP_PAGE_BYTES);
    struct skep_page *other = mmap(NULL, SKEP_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(other, MAP_FAILED);
    assert_int_equal(other->magic, SKEP_PAGE_MAGIC);
    assert_int_equal(other->beats | other->begun | other->running | other->writes, 0);
    assert_int_equal(other->requests | other->counter_count, 0);
    other->beats = 5;
    assert_int_equal(page->beats, 5);
    other->counters[SKEP_MAX_COUNTERS - 1].count = 6;
    assert_int_equal(page->counters[SKEP_MAX_COUNTERS - 1].count, 6);
    munmap(other, SKEP_PAGE_BYTES);
    skep__page_free(&page);
    assert_null(page);
    skep__page_free(&page);
    close(fd);
}

/* A worker that made it shorter would kill the broker with SIGBUS. */
static void test_size_is_fixed(void **state) {
    struct skep_page *page = NULL;
    int fd = -1;
    (void)state;
    assert_int_equal(skep__page_new(&page, &fd), SKEP_OK);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, (off_t)2 * SKEP_PAGE_BYTES), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1); /* nor may it forbid writing */
    assert_int_equal(page->magic, SKEP_PAGE_MAGIC);
    skep__page_free(&page);
    close(fd);
}

static void test_no_descriptors(void **state) {
    struct skep_page *page = NULL;
    struct rlimit before, none;
    int fd = -1;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = skep__page_new(&page, &fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, SKEP_EMFILE);
    assert_null(page);
    assert_int_equal(fd, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_size_is_fixed),
        cmocka_unit_test(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
