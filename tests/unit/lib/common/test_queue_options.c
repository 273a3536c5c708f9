/* SPDX-License-Identifier: MIT
 * What may be asked of a queue and of a job, at its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/queue_options.h"

static char longest[SKEP_MAX_NAME + 1], too_long[SKEP_MAX_NAME + 2];

static int make_names(void **state) {
    (void)state;
    memset(longest, 'n', sizeof longest - 1);
    memset(too_long, 'n', sizeof too_long - 1);
    return 0;
}

static void accept(const char *queue, skep_job_options options) {
    char why[SKEP_MAX_REASON + 1] = "as it was";
    assert_int_equal(skep__job_options_check(queue, &options, why), SKEP_OK);
    assert_string_equal(why, "as it was");
}

static void refuse(const char *queue, skep_job_options options, const char *wanted) {
    char why[SKEP_MAX_REASON + 1] = "";
    assert_int_equal(skep__job_options_check(queue, &options, why), SKEP_EINVAL);
    assert_string_equal(why, wanted);
}

static void test_jobs(void **state) {
    (void)state;
    accept("q", (skep_job_options){0});
    accept(longest, (skep_job_options){.key = longest});
    accept("q", (skep_job_options){.priority = -128, .attempts = 65535, .lease_ms = SKEP_LEAST_LEASE_MS});
    accept("q", (skep_job_options){.priority = 127, .lease_ms = UINT32_MAX});
    refuse(NULL, (skep_job_options){0}, "'': a queue's name has 1 to 64 bytes");
    refuse("", (skep_job_options){0}, "'': a queue's name has 1 to 64 bytes");
    refuse("q", (skep_job_options){.key = ""}, "'': a key has 1 to 64 bytes");
    refuse("q", (skep_job_options){.priority = 128}, "q: priority 128: -128 to 127");
    refuse("q", (skep_job_options){.priority = -129}, "q: priority -129: -128 to 127");
    refuse("q", (skep_job_options){.attempts = 65536}, "q: attempts 65536: at most 65535");
    refuse("q", (skep_job_options){.lease_ms = 99}, "q: lease of 99 ms: at least 100");
}

static void test_names_that_are_too_long(void **state) {
    static char name[4096];
    char why[SKEP_MAX_REASON + 1] = "";
    (void)state;
    memset(name, 'n', sizeof name - 1);
    assert_int_equal(skep__job_options_check(name, &(skep_job_options){0}, why), SKEP_EINVAL);
    assert_int_equal(strlen(why), SKEP_MAX_REASON);
    assert_int_equal(skep__job_options_check(too_long, &(skep_job_options){0}, why), SKEP_EINVAL);
    assert_non_null(strstr(why, "': a queue's name has 1 to 64 bytes"));
    assert_int_equal(skep__job_options_check("q", &(skep_job_options){.key = too_long}, why), SKEP_EINVAL);
    assert_non_null(strstr(why, "': a key has 1 to 64 bytes"));
}

static void test_sizes(void **state) {
    char why[SKEP_MAX_REASON + 1] = "as it was";
    (void)state;
    assert_int_equal(skep__job_size_check("q", SKEP_MAX_PAYLOAD, why), SKEP_OK);
    assert_string_equal(why, "as it was");
    assert_int_equal(skep__job_size_check("q", SKEP_MAX_PAYLOAD + 1, why), SKEP_ETOOBIG);
    assert_string_equal(why, "q: job of 1048577 bytes: at most 1048576");
}

static void test_queues_are_completed(void **state) {
    char why[SKEP_MAX_REASON + 1];
    skep_queue_options taken;
    (void)state;
    assert_int_equal(skep__queue_options_take("q", &(skep_queue_options){.backoff_ms = 7}, &taken, why), SKEP_OK);
    assert_int_equal(taken.backoff_max_ms, 7);
    assert_int_equal(skep__queue_options_take(longest, NULL, &taken, why), SKEP_OK);
    assert_int_equal(taken.backoff_max_ms, 0);
    assert_int_equal(skep__queue_options_take(too_long, NULL, &taken, why), SKEP_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_names_that_are_too_long),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_queues_are_completed),
    };
    return cmocka_run_group_tests(tests, make_names, NULL);
}
