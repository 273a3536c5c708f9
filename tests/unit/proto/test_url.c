/* SPDX-License-Identifier: MIT
 * URLs: what is one, what is not and why, and that a printed one is read back. */
#include "url.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static void assert_prints(const struct skep_url *url, const char *expected) {
    char text[256];
    skep__url_print(&url->address, url->address_size_bytes, url->any, text, sizeof text);
    assert_string_equal(text, expected);
}

static void assert_parses(const char *text, const char *printed) {
    struct skep_url url;
    const char *why = NULL;
    if (skep__url_parse(text, &url, &why) != SKEP_OK) fail_msg("%s: %s", text, why);
    assert_null(why);
    assert_prints(&url, printed);
}

/* Refused, for a reason that contains the words given, with the output as it was. */
static void assert_refused(const char *text, const char *reason) {
    struct skep_url url, before;
    memset(&url, 0x5a, sizeof url);
    before = url;
    const char *why = NULL;
    if (skep__url_parse(text, &url, &why) != SKEP_EURL) fail_msg("%s was not refused", text);
    assert_non_null(why);
    if (strstr(why, reason) == NULL) fail_msg("%s: %s", text, why);
    assert_memory_equal(&url, &before, sizeof url);
}

static void test_tcp(void **state) {
    (void)state;
    assert_parses("tcp://127.0.0.1:8000", "tcp://127.0.0.1:8000");
    assert_parses("tcp://0.0.0.0:0", "tcp://0.0.0.0:0");
    assert_parses("tcp://255.255.255.255:65535", "tcp://255.255.255.255:65535");
    assert_parses("tcp://localhost:80", "tcp://127.0.0.1:80");
    assert_parses("tcp://[::1]:8000", "tcp://[::1]:8000");
    assert_parses("tcp://[::]:8000", "tcp://[::]:8000");
    assert_parses("tcp://[2001:0db8:0000:0000:0000:0000:0000:0001]:1", "tcp://[2001:db8::1]:1");
    assert_parses("tcp://127.0.0.1:00080", "tcp://127.0.0.1:80");
}

static void test_wildcard(void **state) {
    (void)state;
    assert_parses("tcp://*:3000", "tcp://*:3000");
    assert_parses("tcp://:3000", "tcp://*:3000");
    struct skep_url url;
    const char *why;
    assert_int_equal(skep__url_parse("tcp://*:3000", &url, &why), SKEP_OK);
    assert_true(url.any);
    assert_int_equal(url.address.ss_family, AF_INET6);
    assert_int_equal(skep__url_parse("tcp://[::]:3000", &url, &why), SKEP_OK);
    assert_false(url.any);
}

static void test_address(void **state) {
    (void)state;
    struct skep_url url;
    const char *why;
    assert_int_equal(skep__url_parse("tcp://10.1.2.3:258", &url, &why), SKEP_OK);
    const struct sockaddr_in *in = (const struct sockaddr_in *)&url.address;
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(in->sin_port, htons(258));
    assert_int_equal(in->sin_addr.s_addr, htonl(0x0a010203));
    assert_int_equal(url.address_size_bytes, sizeof *in);
    assert_int_equal(skep__url_parse("tcp://[::1]:258", &url, &why), SKEP_OK);
    assert_int_equal(url.address_size_bytes, sizeof(struct sockaddr_in6));
}

static void test_ports(void **state) {
    (void)state;
    assert_refused("tcp://127.0.0.1", "port is missing");
    assert_refused("tcp://127.0.0.1:", "0 to 65535");
    assert_refused("tcp://127.0.0.1:65536", "0 to 65535");
    assert_refused("tcp://127.0.0.1:99999", "0 to 65535");
    assert_refused("tcp://127.0.0.1:100000", "0 to 65535");
    assert_refused("tcp://127.0.0.1:18446744073709551696", "0 to 65535");
    assert_refused("tcp://127.0.0.1:-1", "0 to 65535");
    assert_refused("tcp://127.0.0.1:+1", "0 to 65535");
    assert_refused("tcp://127.0.0.1: 1", "0 to 65535");
    assert_refused("tcp://127.0.0.1:80/", "0 to 65535");
    assert_refused("tcp://127.0.0.1:http", "0 to 65535");
    assert_refused("tcp://[::1]", "0 to 65535");
    assert_refused("tcp://", "port is missing");
}

static void test_hosts(void **state) {
    (void)state;
    assert_refused("tcp://256.0.0.1:80", "host");
    assert_refused("tcp://127.1:80", "host");
    assert_refused("tcp://example.org:80", "host");
    assert_refused("tcp://::1:80", "host");
    assert_refused("tcp://[]:80", "host");
    assert_refused("tcp://[:80", "host");
    assert_refused("tcp://]:80", "host");
    assert_refused("tcp://[::1:80", "host");
    assert_refused("tcp://[127.0.0.1]:80", "host");
    assert_refused("tcp://[*]:80", "host");
    assert_refused("tcp://**:80", "host");
    assert_refused("tcp:// 127.0.0.1:80", "host");
    assert_refused("tcp://0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:80", "host is too long");
}

static void test_unix(void **state) {
    (void)state;
    assert_parses("unix:///tmp/x.sock", "unix:///tmp/x.sock");
    assert_parses("unix:///a b:c", "unix:///a b:c");
    assert_parses("unix://relative/x", "unix://relative/x");
    assert_refused("unix://", "path is missing");
    assert_refused("unix://?mode=0600", "path is missing");
}

static void expect_options(const char *text, bool has_mode, unsigned mode, const char *owner) {
    struct skep_url url;
    const char *why = NULL;
    if (skep__url_parse(text, &url, &why) != SKEP_OK) fail_msg("%s: %s", text, why);
    assert_int_equal(url.has_mode, has_mode);
    assert_int_equal(url.mode, mode);
    assert_string_equal(url.owner, owner);
    assert_prints(&url, "unix:///x");
}

static void test_unix_options(void **state) {
    (void)state;
    expect_options("unix:///x", false, 0, "");
    expect_options("unix:///x?mode=0660", true, 0660, "");
    expect_options("unix:///x?mode=7", true, 7, "");
    expect_options("unix:///x?owner=www-data:adm", false, 0, "www-data:adm");
    expect_options("unix:///x?owner=:33&mode=777", true, 0777, ":33");
    assert_refused("unix:///x?", "neither mode=OCTAL nor owner");
    assert_refused("unix:///x?mode", "neither mode=OCTAL nor owner");
    assert_refused("unix:///x?mode=0600&", "neither mode=OCTAL nor owner");
    assert_refused("unix:///x?mode=", "not octal");
    assert_refused("unix:///x?mode=0680", "not octal");
    assert_refused("unix:///x?mode=00600", "not octal");
    assert_refused("unix:///x?mode=1777", "more than 0777");
    assert_refused("unix:///x?owner=", "the owner is not");
    assert_refused("unix:///x?owner=0123456789012345678901234567890123456789012345678901234567890123456789",
                   "the owner is not");
}

static void expect_resolved(const char *text, const char *expected) {
    char resolved[257];
    const char *why = NULL;
    assert_int_equal(skep__url_resolve(text, resolved, sizeof resolved, &why), SKEP_OK);
    assert_string_equal(resolved, expected);
}

static void test_resolve(void **state) {
    (void)state;
    char before[PATH_MAX], resolved[12] = "as before";
    const char *why = NULL;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir("/tmp"), 0);
    expect_resolved("unix://a/b?mode=0600", "unix:///tmp/a/b?mode=0600");
    expect_resolved("unix:///a", "unix:///a");
    expect_resolved("unix://", "unix://");
    expect_resolved("tcp://*:80", "tcp://*:80");
    expect_resolved("web", "web");
    assert_int_equal(skep__url_resolve("unix://abcd", resolved, sizeof resolved, &why), SKEP_EURL);
    assert_int_equal(chdir("/"), 0);
    expect_resolved("unix://a", "unix:///a");
    assert_int_equal(chdir(before), 0);
}

/* Link-local addresses are those of an interface: by its name or number. */
static void test_zones(void **state) {
    (void)state;
    unsigned lo = if_nametoindex("lo");
    struct skep_url url;
    const char *why = NULL;
    char text[64];
    assert_true(lo > 0);
    assert_parses("tcp://[fe80::1%lo]:8000", "tcp://[fe80::1%lo]:8000");
    snprintf(text, sizeof text, "tcp://[fe80::1%%%u]:8000", lo);
    assert_parses(text, "tcp://[fe80::1%lo]:8000");
    assert_parses("tcp://[fe80::1%123456]:8000", "tcp://[fe80::1%123456]:8000");
    assert_int_equal(skep__url_parse("tcp://[fe80::1%lo]:8000", &url, &why), SKEP_OK);
    assert_int_equal(((const struct sockaddr_in6 *)&url.address)->sin6_scope_id, lo);
    assert_refused("tcp://[fe80::1%]:80", "no such network interface");
    assert_refused("tcp://[fe80::1%0]:80", "no such network interface");
    assert_refused("tcp://[fe80::1%nonsense]:80", "no such network interface");
    assert_refused("tcp://[nonsense%lo]:80", "host");
    assert_refused("tcp://127.0.0.1%lo:80", "host");
}

static void test_descriptors(void **state) {
    (void)state;
    struct skep_url url;
    const char *why = NULL;
    assert_int_equal(skep__url_parse("fd://3", &url, &why), SKEP_OK);
    assert_true(url.given);
    assert_int_equal(url.fd, 3);
    assert_int_equal(skep__url_parse("tcp://*:1", &url, &why), SKEP_OK);
    assert_false(url.given);
    assert_refused("fd://", "number of a descriptor");
    assert_refused("fd://-1", "number of a descriptor");
    assert_refused("fd://3x", "number of a descriptor");
    assert_refused("fd://12345678901", "number of a descriptor");
}

static void test_unix_longest(void **state) {
    (void)state;
    char text[256] = "unix:///";
    const size_t scheme = strlen("unix://"), longest = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    memset(text + scheme + 1, 'x', longest); /* one too many, with the slash */
    assert_refused(text, "longer than 107 bytes");
    text[scheme + longest] = '\0';
    assert_parses(text, text);
}

static void test_schemes(void **state) {
    (void)state;
    const char *const texts[] = {
        "", "web", "tcp:/127.0.0.1:80", "TCP://127.0.0.1:80", "http://127.0.0.1:80", "://", " tcp://1.1.1.1:1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_refused(texts[i], "neither tcp://, unix:// nor fd://");
}

static void test_is(void **state) {
    (void)state;
    assert_true(skep__url_is("tcp://x"));
    assert_true(skep__url_is("http://x"));
    assert_false(skep__url_is("web"));
    assert_false(skep__url_is(""));
    assert_false(skep__url_is("a:/b"));
}

static void test_print_terminates(void **state) {
    (void)state;
    struct skep_url url;
    const char *why;
    assert_int_equal(skep__url_parse("tcp://127.0.0.1:8000", &url, &why), SKEP_OK);
    static const char whole[] = "tcp://127.0.0.1:8000";
    for (size_t capacity = 1; capacity <= sizeof whole + 1; capacity++) {
        char text[32];
        memset(text, '#', sizeof text);
        skep__url_print(&url.address, url.address_size_bytes, url.any, text, capacity);
        size_t length = capacity < sizeof whole ? capacity - 1 : sizeof whole - 1;
        assert_memory_equal(text, whole, length);
        assert_int_equal(text[length], '\0');
        assert_int_equal(text[capacity], '#');
    }
}

/* An address that getsockname may give: a Unix socket that fills sun_path, and one without a path. */
static void test_print_unix_edges(void **state) {
    (void)state;
    struct skep_url url = {0};
    struct sockaddr_un *un = (struct sockaddr_un *)&url.address;
    un->sun_family = AF_UNIX;
    url.address_size_bytes = offsetof(struct sockaddr_un, sun_path);
    assert_prints(&url, "unix://");
    memset(un->sun_path, '/', sizeof un->sun_path);
    url.address_size_bytes = sizeof *un;
    char expected[7 + sizeof un->sun_path + 1] = "unix://";
    memset(expected + 7, '/', sizeof un->sun_path);
    assert_prints(&url, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_wildcard),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_options),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_unix_longest),
        cmocka_unit_test(test_schemes),
        cmocka_unit_test(test_is),
        cmocka_unit_test(test_print_terminates),
        cmocka_unit_test(test_print_unix_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
