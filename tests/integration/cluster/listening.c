/* SPDX-License-Identifier: MIT
 * Listening: who shares what, what cannot be bound, when a listener ends. */
#include "hold.h"

#include <signal.h>

/* --- workers --- */

static void serve_twice(skep_worker *worker) {
    role_tell(worker, "url", skep_listener_url(serve_on(worker, serve_url())));
    role_tell(worker, "second url", skep_listener_url(serve_on(worker, serve_url())));
}

static void try_to_listen(skep_worker *worker, const skep_message *message, void *context) {
    char url[300] = "", line[500];
    (void)context;
    if (message->size_bytes > 0) memcpy(url, message->data, message->size_bytes);
    int status = skep_listen(worker, url, serve_answer, NULL, NULL);
    const char *why = status != SKEP_OK ? skep_worker_why(worker) : "";
    snprintf(line, sizeof line, "%s %s", skep_status_name(status), why);
    role_tell(worker, "tried", line);
}

static void try_when_told(skep_worker *worker) {
    skep_on_message(worker, try_to_listen, NULL);
}

static void close_listener(skep_worker *worker, const skep_message *message, void *listener) {
    (void)message;
    skep_listener_close(listener);
    skep_listener_close(listener);
    role_tell(worker, "closed", "");
}

static void close_when_told(skep_worker *worker) {
    skep_listener *listener = serve_on(worker, serve_url());
    skep_on_message(worker, close_listener, listener);
}

static const struct role roles[] = {
    {"serve", serve_begin},     {"twice", serve_twice}, {"try", try_when_told},
    {"close", close_when_told}, {"hold", hold_begin},   {NULL, NULL},
};

/* --- who shares what --- */

/* The first listen(0) of all shares one port, the second another. */
static void test_port_0(void **state) {
    struct hive *hive = *state;
    char first[256], second[256];
    hive_start(hive, NULL);
    hive_fork_ready(hive, "twice", NULL);
    hive_fork_ready(hive, "twice", NULL);
    snprintf(first, sizeof first, "%s", serve_url_of(hive, 1, "url"));
    snprintf(second, sizeof second, "%s", serve_url_of(hive, 1, "second url"));
    assert_string_not_equal(first, second);
    assert_string_equal(serve_url_of(hive, 2, "url"), first);
    assert_string_equal(serve_url_of(hive, 2, "second url"), second);
    assert_true(client_ask(hive, first) + client_ask(hive, first) == 3);
    assert_true(client_ask(hive, second) + client_ask(hive, second) == 3);
}

static void test_two_addresses_of_a_port(void **state) {
    struct hive *hive = *state;
    char variable[80];
    unsigned port;
    hive_start(hive, NULL);
    serve_fork(hive, 1, NULL);
    assert_int_equal(sscanf(serve_url_of(hive, 1, "url"), "tcp://127.0.0.1:%u", &port), 1);
    snprintf(variable, sizeof variable, "LISTEN=tcp://127.0.0.2:%u", port);
    hive_fork_ready(hive, "serve", variable);
    assert_int_equal(client_ask(hive, serve_url_of(hive, 2, "url")), 2);
    assert_int_equal(client_ask(hive, serve_url_of(hive, 1, "url")), 1);
}

static void test_names(void **state) {
    struct hive *hive = *state;
    const char *bound = NULL;
    hive_start(hive, NULL);
    assert_int_equal(skep_cluster_listen(hive->cluster, "web", "tcp://127.0.0.1:0", &bound), SKEP_OK);
    hive_fork_ready(hive, "serve", "LISTEN=web");
    assert_string_equal(serve_url_of(hive, 1, "url"), bound);
    assert_int_equal(client_ask(hive, bound), 1);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 1) == 1);
    int waits = client_connect(bound); /* it is kept, and whoever comes waits for the next worker */
    assert_true(waits >= 0);
    hive_fork_ready(hive, "serve", "LISTEN=web");
    char text[16];
    client_read(hive, waits, text, sizeof text);
    assert_string_equal(text, "2\n");
}

static void test_a_url_that_is_bound_already(void **state) {
    struct hive *hive = *state;
    char variable[128], url[80];
    const char *bound = NULL;
    hive_start(hive, NULL);
    snprintf(url, sizeof url, "unix://%s/here", hive->dir);
    assert_int_equal(skep_cluster_listen(hive->cluster, NULL, url, &bound), SKEP_OK);
    assert_string_equal(bound, url);
    snprintf(variable, sizeof variable, "LISTEN=%s", url);
    serve_fork(hive, 1, variable);
    assert_int_equal(client_ask(hive, url), 1);
}

/* --- what cannot be bound --- */

static void expect_tried(struct hive *hive, const char *url, const char *outcome) {
    size_t before = hive_messages(hive, 1, "tried");
    assert_int_equal(skep_child_send(skep_child_by_id(hive->cluster, 1), "try", url, strlen(url)), SKEP_OK);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "tried") > before);
    const struct seen *last = NULL;
    for (size_t i = 0; i < hive->count; i++)
        if (strcmp(hive->log[i].name, "tried") == 0) last = &hive->log[i];
    assert_non_null(last);
    assert_string_equal(last->text, outcome);
}

static int occupy(char *url, size_t capacity_bytes) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_bytes = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size_bytes), 0);
    snprintf(url, capacity_bytes, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
    return fd;
}

/* The error reaches the worker that asked; once the port is free, asking again succeeds. */
static void test_a_port_that_is_taken(void **state) {
    struct hive *hive = *state;
    char url[64], outcome[128];
    int fd = occupy(url, sizeof url);
    hive_start(hive, NULL);
    hive_fork_ready(hive, "try", NULL);
    snprintf(outcome, sizeof outcome, "EADDRINUSE %s: address already in use", url);
    expect_tried(hive, url, outcome);
    assert_non_null(strstr(hive_find(hive, SKEP_EVENT_ERROR, 1)->reason, outcome + strlen("EADDRINUSE ")));
    assert_int_equal(skep_cluster_listen(hive->cluster, NULL, url, NULL), SKEP_EADDRINUSE);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), outcome + strlen("EADDRINUSE ")));
    close(fd);
    expect_tried(hive, url, "OK ");
    assert_int_equal(hive_count(hive, SKEP_EVENT_LISTENING, 1), 1);
    assert_int_equal(client_ask(hive, url), 1);
}

static void test_urls_that_cannot_be(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "try", NULL);
    expect_tried(hive, "tcp://nonsense", "EURL tcp://nonsense: the port is missing");
    expect_tried(hive, "no-such-name",
                 "EURL no-such-name: no listener has this name; give skep run -l no-such-name=URL, or call "
                 "skep_cluster_listen");
    expect_tried(hive, "tcp://192.0.2.1:0", "EADDR tcp://192.0.2.1:0: address not available");
    expect_tried(hive, "unix:///no/such/folder/x", "EADDR unix:///no/such/folder/x: address not available");
    expect_tried(hive, "", "EURL : a name of 1 to 256 bytes is needed");
    assert_int_equal(hive_count(hive, SKEP_EVENT_LISTENING, 0), 0);
}

static void test_cluster_listen_refuses(void **state) {
    struct hive *hive = *state;
    char long_name[66];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    hive_start(hive, NULL);
    assert_int_equal(skep_cluster_listen(hive->cluster, NULL, "tcp://127.0.0.1:0", NULL), SKEP_OK);
    assert_int_equal(skep_cluster_listen(hive->cluster, "", "tcp://127.0.0.1:0", NULL), SKEP_EINVAL);
    assert_int_equal(skep_cluster_listen(hive->cluster, long_name, "tcp://127.0.0.1:0", NULL), SKEP_EINVAL);
    assert_int_equal(skep_cluster_listen(hive->cluster, "name", "tcp://", NULL), SKEP_EURL);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "cannot listen on tcp://: "));
    assert_int_equal(skep_cluster_listen(hive->cluster, "name", "", NULL), SKEP_EURL);
}

/* --- when a listener ends --- */

static void test_the_last_to_leave_closes(void **state) {
    struct hive *hive = *state;
    char variable[128], path[64], url[96];
    hive_start(hive, NULL);
    snprintf(path, sizeof path, "%s/here", hive->dir);
    snprintf(url, sizeof url, "unix://%s", path);
    snprintf(variable, sizeof variable, "LISTEN=unix://%s", path);
    skep_child *first = hive_fork_ready(hive, "close", variable), *second = hive_fork_ready(hive, "close", variable);
    assert_int_equal(skep_child_send(first, "close", NULL, 0), SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, 1, "closed") != NULL);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(client_ask(hive, url), 2);
    assert_int_equal(skep_child_send(second, "close", NULL, 0), SKEP_OK);
    HIVE_LOOK_UNTIL(hive, access(path, F_OK) != 0);
    assert_int_equal(client_connect(url), -ENOENT);
    assert_int_equal(skep_child_count(hive->cluster), 2);
}

static void test_the_last_to_die_closes(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    serve_fork(hive, 2, NULL);
    char url[256];
    snprintf(url, sizeof url, "%s", serve_url_of(hive, 1, "url"));
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 1) == 1);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(client_ask(hive, url), 2);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 2), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 2) == 1);
    assert_int_equal(client_connect(url), -ECONNREFUSED);
}

/* --- live connections --- */

static void answered(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    (void)cluster;
    (void)data;
    (void)size_bytes;
    *(int *)context = status;
}

/* Waits until the worker has done what it was told before. */
static void there_and_back(struct hive *hive, skep_child *child) {
    int status = SKEP_OK;
    assert_int_equal(skep_child_request(child, "?", NULL, 0, 0, answered, &status), SKEP_OK);
    HIVE_UNTIL(hive, status != SKEP_OK);
    assert_int_equal(status, SKEP_ENOHANDLER);
}

static void test_leaving_waits_for_live_connections(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "hold", NULL);
    const char *url = hive_find(hive, SKEP_EVENT_LISTENING, 1)->url;
    int one = client_connect(url), two = client_connect(url);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "live") == 2);
    assert_string_equal(hive->log[hive->count - 1].text, "2");
    assert_int_equal(skep_child_accepted(child), 2);
    skep_child_disconnect(child);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_DRAIN, 1) == 1);
    close(one);
    there_and_back(hive, child);
    there_and_back(hive, child);
    assert_true(skep_child_is_connected(child));
    close(two);
    hive_run_dry(hive);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, 1)->reason, "voluntary");
    assert_int_equal(hive_messages(hive, 1, "bad descriptor"), 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_port_0),
        HIVE_TEST(test_two_addresses_of_a_port),
        HIVE_TEST(test_names),
        HIVE_TEST(test_a_url_that_is_bound_already),
        HIVE_TEST(test_a_port_that_is_taken),
        HIVE_TEST(test_urls_that_cannot_be),
        HIVE_TEST(test_cluster_listen_refuses),
        HIVE_TEST(test_the_last_to_leave_closes),
        HIVE_TEST(test_the_last_to_die_closes),
        HIVE_TEST(test_leaving_waits_for_live_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
