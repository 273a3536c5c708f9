/* SPDX-License-Identifier: MIT
 * Where a listener is: paths, their modes, descriptors that are bound already, names that are taken. */
#include "serve.h"

#include <sys/stat.h>

static void try_to_listen(skep_worker *worker) {
    char line[500];
    int status = skep_listen(worker, serve_url(), serve_answer, NULL, NULL);
    snprintf(line, sizeof line, "%s %s", skep_status_name(status), status != SKEP_OK ? skep_worker_why(worker) : "");
    role_tell(worker, "tried", line);
}

static const struct role roles[] = {{"serve", serve_begin}, {"try", try_to_listen}, {NULL, NULL}};

static void expect_tried(struct hive *hive, const char *url, const char *outcome) {
    char variable[300];
    snprintf(variable, sizeof variable, "LISTEN=%s", url);
    uint32_t id = skep_child_id(hive_fork_ready(hive, "try", variable));
    HIVE_UNTIL(hive, hive_messages(hive, id, "tried") == 1);
    assert_string_equal(hive_message(hive, id, "tried")->text, outcome);
}

/* --- paths --- */

/* A relative path is relative to whoever asks: here each is somewhere else. */
static void test_relative_paths(void **state) {
    struct hive *hive = *state;
    char absolute[128], before[512];
    const char *bound = NULL;
    hive_start(hive, &(skep_settings){.cwd = hive->dir});
    hive_fork_ready(hive, "serve", "LISTEN=unix://by-worker");
    snprintf(absolute, sizeof absolute, "unix://%s/by-worker", hive->dir);
    assert_string_equal(serve_url_of(hive, 1, "url"), absolute);
    assert_int_equal(client_ask(hive, absolute), 1);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir("/tmp"), 0);
    snprintf(absolute, sizeof absolute, "unix://%s/by-primary", hive->dir + strlen("/tmp/"));
    int status = skep_cluster_listen(hive->cluster, "web", absolute, &bound);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, SKEP_OK);
    snprintf(absolute, sizeof absolute, "unix://%s/by-primary", hive->dir);
    assert_string_equal(bound, absolute);
    hive_fork_ready(hive, "serve", "LISTEN=unix://by-primary"); /* the same file */
    assert_int_equal(client_ask(hive, absolute), 2);
}

static void test_a_mode(void **state) {
    struct hive *hive = *state;
    char url[160], path[64];
    struct stat st;
    const char *bound = NULL;
    hive_start(hive, NULL);
    snprintf(path, sizeof path, "%s/here", hive->dir);
    snprintf(url, sizeof url, "unix://%s?mode=0666&owner=%u", path, geteuid());
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", url, &bound), SKEP_OK);
    assert_int_equal(strncmp(bound + strlen("unix://"), path, sizeof path), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    hive_fork_ready(hive, "serve", "LISTEN=web");
    assert_int_equal(client_ask(hive, bound), 1);
    snprintf(url, sizeof url, "unix://%s2?owner=no-such-user", path);
    assert_int_equal(skep_cluster_listen(hive->cluster, NULL, url, NULL), SKEP_EURL);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "there is no such user"));
}

static void test_zones(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    expect_tried(hive, "tcp://[fe80::abcd%lo]:0", "EADDR tcp://[fe80::abcd%lo]:0: address not available");
    expect_tried(hive, "tcp://[fe80::abcd%none]:0",
                 "EURL tcp://[fe80::abcd%none]:0: the host is not an IPv6 address, or this machine has no such network "
                 "interface");
}

/* --- descriptors --- */

static int bind_one(char *url, size_t capacity_bytes) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_bytes = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size_bytes), 0);
    snprintf(url, capacity_bytes, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
    return fd;
}

static void check_descriptor(struct hive *hive, enum skep_policy policy) {
    char where[64], url[32], variable[64], outcome[128];
    const char *bound = NULL;
    int fd = bind_one(where, sizeof where);
    hive_start(hive, &(skep_settings){.policy = policy});
    snprintf(url, sizeof url, "fd://%d", fd);
    snprintf(variable, sizeof variable, "LISTEN=%s", url);
    snprintf(outcome, sizeof outcome, "EACCES %s: the primary does not listen on this descriptor", url);
    expect_tried(hive, url, outcome);
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", url, &bound), SKEP_OK);
    assert_string_equal(bound, where);
    hive_fork_ready(hive, "serve", "LISTEN=web");
    assert_int_equal(client_ask(hive, where), 2);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 2));
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    hive_fork_ready(hive, "serve", variable);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(client_ask(hive, where), 3);
    hive_end(hive);
    int client = client_connect(where); /* what was given is still there */
    assert_true(client >= 0);
    close(client);
    close(fd);
}

static void test_a_descriptor(void **state) {
    check_descriptor(*state, SKEP_POLICY_ROUND_ROBIN);
}

static void test_a_descriptor_shared(void **state) {
    check_descriptor(*state, SKEP_POLICY_SHARED);
}

static void test_a_descriptor_with_reuseport(void **state) {
    check_descriptor(*state, SKEP_POLICY_REUSEPORT);
}

static void test_what_is_no_descriptor(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", "fd://99999", NULL), SKEP_EURL);
    assert_string_equal(skep_cluster_why(hive->cluster),
                        "cannot listen on fd://99999: there is no stream socket under this number");
}

/* --- names --- */

static void test_a_name_is_one_listeners(void **state) {
    struct hive *hive = *state;
    char where[64], url[32];
    int fd = bind_one(where, sizeof where);
    hive_start(hive, NULL);
    snprintf(url, sizeof url, "fd://%d", fd);
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", "tcp://127.0.0.1:0", NULL), SKEP_OK);
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", "tcp://127.0.0.1:0", NULL), SKEP_EADDRINUSE);
    assert_string_equal(skep_cluster_why(hive->cluster), "web: another listener has this name");
    assert_int_equal(skep_cluster_listen(hive->cluster, "one", url, NULL), SKEP_OK);
    assert_int_equal(skep_cluster_listen(hive->cluster, "two", url, NULL), SKEP_EADDRINUSE);
    close(fd);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_relative_paths),
        HIVE_TEST(test_a_mode),
        HIVE_TEST(test_zones),
        HIVE_TEST(test_a_descriptor),
        HIVE_TEST(test_a_descriptor_shared),
        HIVE_TEST(test_a_descriptor_with_reuseport),
        HIVE_TEST(test_what_is_no_descriptor),
        HIVE_TEST(test_a_name_is_one_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
