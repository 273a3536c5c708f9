/* SPDX-License-Identifier: MIT
 * What is said to and by JetStream, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "jobs/nats/words.h"

static void test_tokens(void **state) {
    char token[SKEP__TOKEN_BYTES], name[SKEP_MAX_NAME + 1], longest[SKEP_MAX_NAME + 1];
    (void)state;
    skep__token_make("mail-1_X", token);
    assert_string_equal(token, "mail-1_X");
    skep__token_make("a.b *>=\xc3\xa9/\x01", token);
    assert_string_equal(token, "a=2Eb=20=2A=3E=3D=C3=A9=2F=01");
    assert_true(skep__token_read(token, strlen(token), name));
    assert_string_equal(name, "a.b *>=\xc3\xa9/\x01");
    memset(longest, '.', SKEP_MAX_NAME);
    longest[SKEP_MAX_NAME] = '\0';
    skep__token_make(longest, token);
    assert_int_equal(strlen(token), 3 * SKEP_MAX_NAME);
    assert_true(skep__token_read(token, strlen(token), name));
    assert_string_equal(name, longest);
}

static void test_tokens_that_are_none(void **state) {
    static const char *const wrong[] = {"", "a.b", "=", "=2", "=2g", "=00", "a b", "=2e"};
    char name[SKEP_MAX_NAME + 1] = "kept", many[SKEP_MAX_NAME + 2];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (skep__token_read(wrong[i], strlen(wrong[i]), name)) fail_msg("%s is taken", wrong[i]);
    memset(many, 'a', sizeof many);
    assert_false(skep__token_read(many, SKEP_MAX_NAME + 1, name));
    assert_string_equal(name, "kept");
}

static void test_classes(void **state) {
    (void)state;
    assert_int_equal(skep__class_of(0), 0);
    assert_int_equal(skep__class_of(SKEP__PRIORITY_MIDDLE - 1), 0);
    assert_int_equal(skep__class_of(SKEP__PRIORITY_MIDDLE), 1);
    assert_int_equal(skep__class_of(SKEP__PRIORITY_MIDDLE + 1), 2);
    assert_int_equal(skep__class_of(UINT8_MAX), 2);
}

static void test_headers(void **state) {
    const struct skep__meta meta = {255, UINT16_MAX, UINT32_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    const struct skep__history history = {INT64_MAX, UINT32_MAX, UINT32_MAX, UINT16_MAX, UINT16_MAX};
    struct skep__meta read_meta;
    struct skep__history read_history;
    char text[SKEP__META_BYTES];
    (void)state;
    skep__meta_write(&meta, text);
    assert_true(skep__meta_read(text, &read_meta));
    assert_memory_equal(&read_meta, &meta, sizeof meta);
    skep__history_write(&history, text);
    assert_true(skep__history_read(text, &read_history));
    assert_memory_equal(&read_history, &history, sizeof history);
}

static void test_headers_that_are_none(void **state) {
    static const char *const wrong[] = {"",
                                        "1 2 3 4 5",
                                        "256 1 1 1 1 1",
                                        "1 65536 1 1 1 1",
                                        "a 1 1 1 1 1",
                                        "1 -1 1 1 1 1",
                                        "1x 1 1 1 1 1",
                                        "1 1 1 99999999999999999999 1 1"};
    struct skep__meta meta;
    struct skep__history history;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (skep__meta_read(wrong[i], &meta)) fail_msg("%s is taken", wrong[i]);
    assert_false(skep__history_read("0 1 1 1 1", &history));
    assert_false(skep__history_read("1 1 1 65536 1", &history));
}

static void test_deliveries(void **state) {
    static const char *const wrong[] = {
        "", "$JS.ACK.", "_INBOX.a.b", "$JS.ACK.s.c.0.5.6.7.8", "$JS.ACK.s.c.x.5.6.7.8", "$JS.ACK.s.c.1.5"};
    struct skep__delivered delivered;
    (void)state;
    assert_true(skep__delivered_read("$JS.ACK.skep.q-n.2.17.5.1669900000000000000.3", &delivered));
    assert_int_equal(delivered.times, 2);
    assert_int_equal(delivered.id, 17);
    assert_true(skep__delivered_read("$JS.ACK._.hash.skep.q-n.3.18.5.1669900000000000000.3.token", &delivered));
    assert_int_equal(delivered.times, 3);
    assert_int_equal(delivered.id, 18);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (skep__delivered_read(wrong[i], &delivered)) fail_msg("%s is taken", wrong[i]);
}

static bool read_publication(const char *text, struct skep__publication *p) {
    const size_t size = strlen(text);
    char *exact = malloc(size); /* reading behind it is found out */
    memcpy(exact, text, size);  // NOLINT(bugprone-not-null-terminated-result): it is not to be
    bool is_one = skep__publication_read(&(struct skep_bytes){exact, size}, p);
    free(exact);
    return is_one;
}

static void test_publications(void **state) {
    struct skep__publication p;
    (void)state;
    assert_true(read_publication("{\"stream\":\"skep\",\"seq\":123}", &p));
    assert_true(p.id == 123 && p.code == 0 && !p.duplicate);
    assert_true(read_publication("{\"stream\":\"skep\",\"seq\":5,\"duplicate\": true}", &p));
    assert_true(p.id == 5 && p.duplicate);
    assert_true(
        read_publication("{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"full\"},\"seq\":0}", &p));
    assert_true(p.code == 503 && p.error == 10077);
    assert_string_equal(p.why, "full");
    assert_true(read_publication("{\"error\":{}}", &p));
    assert_int_equal(p.code, 500);
    assert_false(read_publication("{\"stream\":\"skep\",\"seq\":1", &p));
    assert_false(read_publication("nothing", &p));
    assert_false(read_publication("[]", &p));
}

static void expect_name(const char *text, const char *expected_urls, const char *expected_name) {
    char *urls = NULL, name[SKEP__STREAM_NAME + 1], why[SKEP_MAX_REASON + 1];
    assert_int_equal(skep__stream_name(text, &urls, name, why), SKEP_OK);
    assert_string_equal(urls, expected_urls);
    assert_string_equal(name, expected_name);
    free(urls);
}

static void test_names_of_streams(void **state) {
    char *urls = NULL, name[SKEP__STREAM_NAME + 1] = "kept", why[SKEP_MAX_REASON + 1];
    static const char *const wrong[] = {"nats://a/", "nats://a/b.c", "nats://a/b c",
                                        "nats://a/123456789012345678901234567890123"};
    (void)state;
    expect_name("nats://a,b:1", "nats://a,b:1", "skep");
    expect_name("nats://a,b:1/jobs-2", "nats://a,b:1", "jobs-2");
    expect_name("nats://a:1,nats://b:2", "nats://a:1,nats://b:2", "skep");
    expect_name("tls://a,tls://b/x", "tls://a,tls://b", "x");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        why[0] = '\0';
        if (skep__stream_name(wrong[i], &urls, name, why) != SKEP_EINVAL) fail_msg("%s is taken", wrong[i]);
        assert_true(why[0] != '\0');
    }
    assert_null(urls);
    assert_string_equal(name, "kept");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens),
                                       cmocka_unit_test(test_tokens_that_are_none),
                                       cmocka_unit_test(test_classes),
                                       cmocka_unit_test(test_headers),
                                       cmocka_unit_test(test_headers_that_are_none),
                                       cmocka_unit_test(test_deliveries),
                                       cmocka_unit_test(test_publications),
                                       cmocka_unit_test(test_names_of_streams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
