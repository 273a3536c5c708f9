/* SPDX-License-Identifier: MIT
 * Claims on deliveries: exactly one gets each. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* the four above come before */
#include <cmocka.h>

#include "page_claims.h"

enum { LAPS = 100 };

static struct skep_page *new_page(uint64_t writes) {
    struct skep_page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    page->writes = writes;
    return page;
}

static void test_who_comes_first_has_it(void **state) {
    (void)state;
    struct skep_page *page = new_page(2);
    assert_false(skep__claim_is_begun(page, 1));
    assert_true(skep__claim_begin(page, 1, 1000));
    assert_true(skep__claim_is_begun(page, 1));
    assert_false(skep__claim_take(page, 1));
    assert_true(skep__claim_take(page, 2));
    assert_false(skep__claim_begin(page, 2, 1000));
    assert_false(skep__claim_is_begun(page, 2));
    assert_false(skep__claim_release(page, 2));
    assert_true(skep__claim_release(page, 3));
    assert_false(skep__claim_is_begun(page, 3));
    assert_false(skep__claim_begin(page, 3, 1000));
    assert_true(skep__claim_take(page, 3)); /* word of it may be lost */
    assert_false(skep__claim_release(page, 3));
    assert_false(skep__claim_begin(page, 1, 1000)); /* once */
    free(page);
}

static void test_a_place_is_used_again(void **state) {
    (void)state;
    struct skep_page *page = new_page(2);
    for (uint64_t lap = 0; lap < 3; lap++) {
        uint64_t n = 7 + lap * SKEP_CLAIMS;
        assert_false(skep__claim_is_begun(page, n));
        assert_true(lap == 1 ? skep__claim_take(page, n) : skep__claim_begin(page, n, 0));
        assert_int_equal(skep__claim_is_begun(page, n), lap != 1);
    }
    assert_false(skep__claim_is_begun(page, 7));
    uint64_t large =
        (UINT64_C(1) << 40) - SKEP_CLAIMS + 7; /* of a number only the low bits are kept, which turn over */
    page->claims[7] = (large - SKEP_CLAIMS) << 34;
    for (unsigned i = 0; i < 3; i++, large += SKEP_CLAIMS) {
        assert_true(skep__claim_begin(page, large, 0));
        assert_true(skep__claim_is_begun(page, large));
    }
    free(page);
}

/* A worker finds a delivery in its inbox that was taken back long ago: the place has been used since. */
static void test_a_later_claim_means_taken_back(void **state) {
    (void)state;
    struct skep_page *page = new_page(2);
    assert_true(skep__claim_take(page, 7));
    assert_true(skep__claim_begin(page, 7 + SKEP_CLAIMS, 1000));
    assert_false(skep__claim_begin(page, 7, 1000));
    assert_false(skep__claim_release(page, 7));
    assert_true(skep__claim_is_begun(page, 7 + SKEP_CLAIMS)); /* untouched */
    free(page);
}

static void test_ages(void **state) {
    (void)state;
    struct skep_page *page = new_page(2);
    uint64_t begun_ms = (UINT64_C(3) << 32) - 5; /* the low bits turn over meanwhile */
    assert_int_equal(skep__claim_age_ms(page, 1, begun_ms), UINT32_MAX);
    assert_true(skep__claim_begin(page, 1, begun_ms));
    assert_int_equal(skep__claim_age_ms(page, 1, begun_ms), 0);
    assert_int_equal(skep__claim_age_ms(page, 1, begun_ms + 100), 100);
    free(page);
}

static void test_who_keeps_no_claims(void **state) {
    (void)state;
    struct skep_page *page = new_page(0);
    assert_true(skep__claim_is_begun(NULL, 1));
    assert_true(skep__claim_is_begun(page, 1));
    assert_false(skep__claim_take(NULL, 1));
    assert_false(skep__claim_take(page, 1));
    page->writes = 1;
    page->begun = 5;
    assert_true(skep__claim_is_begun(page, 5));
    assert_false(skep__claim_is_begun(page, 6));
    assert_false(skep__claim_take(page, 6));
    assert_int_equal(skep__claim_age_ms(page, 5, 0), UINT32_MAX);
    free(page);
}

struct race {
    struct skep_page *page;
    pthread_barrier_t lap; /* as many deliveries as there are claims are under way at most */
    bool begun[SKEP_CLAIMS];
};

static void *begin_all(void *context) {
    struct race *race = context;
    for (uint64_t lap = 0; lap < LAPS; lap++) {
        pthread_barrier_wait(&race->lap);
        for (uint64_t n = 0; n < SKEP_CLAIMS; n++)
            race->begun[n] = skep__claim_begin(race->page, lap * SKEP_CLAIMS + n, n);
        pthread_barrier_wait(&race->lap);
    }
    return NULL;
}

/* One begins from the first, the other takes from the last, as the two do: where they meet each gets its own. */
static void test_a_race(void **state) {
    (void)state;
    static struct race race;
    bool taken[SKEP_CLAIMS];
    pthread_t thread;
    race.page = new_page(2);
    pthread_barrier_init(&race.lap, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, begin_all, &race), 0);
    for (uint64_t lap = 0; lap < LAPS; lap++) {
        pthread_barrier_wait(&race.lap);
        for (uint64_t n = SKEP_CLAIMS; n-- > 0;) taken[n] = skep__claim_take(race.page, lap * SKEP_CLAIMS + n);
        pthread_barrier_wait(&race.lap);
        for (uint64_t n = 0; n < SKEP_CLAIMS; n++) assert_true(race.begun[n] != taken[n]);
    }
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&race.lap);
    free(race.page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_comes_first_has_it),
        cmocka_unit_test(test_a_place_is_used_again),
        cmocka_unit_test(test_a_later_claim_means_taken_back),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_who_keeps_no_claims),
        cmocka_unit_test(test_a_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
