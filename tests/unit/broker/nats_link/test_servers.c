/* SPDX-License-Identifier: MIT
 * Addresses of servers of NATS, as users write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "nats_link/nats_link.h"

static void test_servers(void **state) {
    struct skep__nats_servers servers;
    char why[SKEP_MAX_REASON + 1];
    (void)state;
    assert_int_equal(skep__nats_servers_parse("nats://a,nats://u:p@b:1,c:65535,[::1]:4", &servers, why), SKEP_OK);
    assert_int_equal(servers.count, 4);
    assert_false(servers.secure);
    assert_string_equal(servers.urls[0], "nats://a");
    assert_string_equal(servers.urls[1], "nats://u:p@b:1");
    assert_string_equal(servers.urls[2], "nats://c:65535");
    assert_string_equal(servers.urls[3], "nats://[::1]:4");
    assert_int_equal(skep__nats_servers_parse("tls://a,b", &servers, why), SKEP_OK);
    assert_true(servers.secure);
    assert_string_equal(servers.urls[1], "tls://b");
}

static void test_refused(void **state) {
    static const char *const wrong[] = {"",           "a",           "http://a",    "nats://",     "nats://a,",
                                        "nats://,b",  "nats://a:0",  "nats://a:x",  "nats://a:",   "nats://a:65536",
                                        "nats://u@",  "nats://a/b",  "nats://a b",  "nats://:1",   "nats://a:1x",
                                        "nats://a\n", "nats://a:+1", "nats://a,,b", "nats://a:-1", "tls://"};
    struct skep__nats_servers servers = {.count = 77};
    char why[SKEP_MAX_REASON + 1];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        why[0] = '\0';
        if (skep__nats_servers_parse(wrong[i], &servers, why) != SKEP_EINVAL) fail_msg("%s is taken", wrong[i]);
        assert_non_null(strstr(why, "write nats://HOST"));
        assert_null(strchr(why, '\n'));
    }
    assert_int_equal(servers.count, 77);
}

static void test_limits(void **state) {
    struct skep__nats_servers servers;
    char why[SKEP_MAX_REASON + 1], text[700] = "nats://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", more[704];
    (void)state;
    assert_int_equal(skep__nats_servers_parse(text, &servers, why), SKEP_OK);
    snprintf(more, sizeof more, "%s,a", text);
    assert_int_equal(skep__nats_servers_parse(more, &servers, why), SKEP_EINVAL);
    memset(text, 'a', 600);
    memcpy(text, "nats://", 7);
    text[600] = '\0';
    assert_int_equal(skep__nats_servers_parse(text, &servers, why), SKEP_EINVAL);
}

static void test_is_url(void **state) {
    (void)state;
    assert_true(skep__nats_is_url("nats://"));
    assert_true(skep__nats_is_url("tls://x"));
    assert_false(skep__nats_is_url("/nats://"));
    assert_false(skep__nats_is_url("nats"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_servers), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_limits), cmocka_unit_test(test_is_url)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
