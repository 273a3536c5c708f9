/* SPDX-License-Identifier: MIT
 * Several groups in one primary: each is forked, scaled, reloaded, broken and drained by itself. */
#include "hive.h"
#include "roles.h"

#include <netinet/in.h>
#include <signal.h>
#include <skep/group.h>

/* --- workers --- */

static void accept_nothing(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)worker, (void)listener, (void)context;
    close(fd);
}

static void listen_there(skep_worker *worker) {
    role_need(skep_listen(worker, getenv("SKEP_TEST_URL"), accept_nothing, NULL, NULL), "listen");
}

_Noreturn static void fail_at_once(skep_worker *worker) {
    (void)worker;
    _exit(1);
}

static const struct role roles[] = {
    {"idle", role_idle},
    {"listen", listen_there},
    {"fail", fail_at_once},
    {NULL, NULL},
};

/* --- the primary's side --- */

static skep_group *add_group(struct hive *hive, const char *name, const char *role, skep_settings settings) {
    char text[64];
    skep_group *group = NULL;
    snprintf(text, sizeof text, "SKEP_TEST_ROLE=%s", role);
    settings.env = (const char *const[]){text, "SKEP_TEST_URL=tcp://127.0.0.1:0", NULL};
    if (skep_group_new(hive->cluster, name, &settings, &group) != SKEP_OK)
        fail_msg("%s: %s", name, skep_cluster_why(hive->cluster));
    return group;
}

static void scale(struct hive *hive, skep_group *group, unsigned workers) {
    if (skep_group_scale(group, workers) != SKEP_OK) fail_msg("%s", skep_cluster_why(hive->cluster));
}

/* How many events of a kind a group's workers had, or it itself. */
static size_t count(const struct hive *hive, enum skep_event_kind kind, const char *group) {
    size_t n = 0;
    for (size_t i = 0; i < hive->count; i++) n += hive->log[i].kind == kind && strcmp(hive->log[i].group, group) == 0;
    return n;
}

static size_t ready_in(const struct hive *hive, const skep_group *group) {
    size_t n = 0;
    for (skep_child *child = NULL; (child = skep_child_next(hive->cluster, child)) != NULL;)
        n += skep_child_group(child) == group && strcmp(skep_child_state(child), "ready") == 0;
    return n;
}

static void start(struct hive *hive) {
    hive_start(hive, &(skep_settings){.respawn = true, .group = "web"});
}

/* One worker of web, and two of thumbs, which is returned. */
static skep_group *start_two(struct hive *hive) {
    start(hive);
    skep_group *thumbs = add_group(hive, "thumbs", "idle", (skep_settings){.respawn = true});
    hive_fork_ready(hive, "idle", NULL);
    scale(hive, thumbs, 2);
    HIVE_UNTIL(hive, ready_in(hive, thumbs) == 2);
    return thumbs;
}

static void test_they_are_found(void **state) {
    struct hive *hive = *state;
    start(hive);
    skep_group *first = skep_cluster_group(hive->cluster);
    skep_group *thumbs = add_group(hive, "thumbs", "idle", (skep_settings){.ready_timeout_ms = 77});
    assert_string_equal(skep_group_name(first), "web");
    assert_ptr_equal(skep_group_next(hive->cluster, NULL), first);
    assert_ptr_equal(skep_group_next(hive->cluster, first), thumbs);
    assert_null(skep_group_next(hive->cluster, thumbs));
    assert_ptr_equal(skep_group_by_name(hive->cluster, "thumbs"), thumbs);
    assert_null(skep_group_by_name(hive->cluster, "thumb"));
    assert_int_equal(skep_group_settings(thumbs)->ready_timeout_ms, 77);
    assert_int_equal(skep_group_settings(thumbs)->drain_timeout_ms, 10000);
    assert_ptr_equal(skep_group_settings(first), skep_cluster_settings(hive->cluster));
    assert_int_equal(skep_group_setup(thumbs, &(skep_settings){.drain_timeout_ms = 5000}), SKEP_OK);
    assert_int_equal(skep_group_settings(thumbs)->ready_timeout_ms, 77);
    assert_int_equal(skep_group_settings(thumbs)->drain_timeout_ms, 5000);
}

static void expect_refused(struct hive *hive, const char *name, const skep_settings *settings, const char *why) {
    skep_group *group = skep_cluster_group(hive->cluster);
    assert_int_equal(skep_group_new(hive->cluster, name, settings, &group), SKEP_EINVAL);
    assert_null(group);
    if (strncmp(skep_cluster_why(hive->cluster), why, strlen(why)) != 0)
        fail_msg("%s", skep_cluster_why(hive->cluster));
}

static void test_what_is_refused(void **state) {
    static const char *const names[] = {"", "2nd", "-a", "a b", "a/b", "\xc3\xa4", NULL};
    struct hive *hive = *state;
    start(hive);
    for (size_t i = 0; names[i] != NULL; i++) {
        char why[80];
        snprintf(why, sizeof why, "group %s: a name has 1 to 64 letters", names[i]);
        expect_refused(hive, names[i], NULL, why);
    }
    expect_refused(hive, NULL, NULL, "group : a name has 1 to 64 letters");
    expect_refused(hive, "web", NULL, "group web: there is one already");
    expect_refused(hive, "b", &(skep_settings){.dir = "/tmp"}, "group b: dir is for the cluster to set");
    expect_refused(hive, "b", &(skep_settings){.lease_ms = 500}, "group b: lease_ms is for the cluster to set");
    expect_refused(hive, "b", &(skep_settings){.queue_jobs = 5}, "group b: queue_jobs is for the cluster to set");
    expect_refused(hive, "b", &(skep_settings){.watchdog_ms = 1}, "watchdog of 1 ms: at least 100");
    assert_null(skep_group_by_name(hive->cluster, "b"));
    add_group(hive, "b", "idle", (skep_settings){0});
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.group = "b"}), SKEP_EINVAL);
    assert_int_equal(skep_setup_primary(hive->cluster, &(skep_settings){.group = "c"}), SKEP_OK);
    assert_string_equal(skep_group_name(skep_cluster_group(hive->cluster)), "c");
    skep_cluster_stop(hive->cluster, false);
    skep_group *late;
    assert_int_equal(skep_group_new(hive->cluster, "late", NULL, &late), SKEP_ESTATE);
}

static void test_each_is_scaled_and_drained_by_itself(void **state) {
    struct hive *hive = *state;
    skep_group *thumbs = start_two(hive), *web = skep_cluster_group(hive->cluster);
    assert_int_equal(skep_group_wanted(web), 1);
    assert_int_equal(skep_cluster_wanted(hive->cluster), 1);
    assert_int_equal(skep_group_wanted(thumbs), 2);
    assert_int_equal(count(hive, SKEP_EVENT_SCALE, "thumbs"), 1);
    assert_int_equal(count(hive, SKEP_EVENT_READY, "web"), 1);
    assert_int_equal(count(hive, SKEP_EVENT_READY, "thumbs"), 2);
    assert_int_equal(skep_child_slot(skep_child_by_id(hive->cluster, 2)), 0); /* a place in its group */
    assert_int_equal(skep_group_scale(thumbs, 1000), SKEP_EINVAL);
    assert_string_equal(skep_cluster_why(hive->cluster), "1000 workers and those of other groups: at most 1000");
    assert_int_equal(skep_group_drain(thumbs), SKEP_OK);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_EXIT, "thumbs") == 2);
    assert_int_equal(count(hive, SKEP_EVENT_EXIT, "web"), 0);
    assert_int_equal(ready_in(hive, web), 1);
    skep_exit_facts facts;
    assert_int_equal(skep_child_exit_facts(hive->cluster, 2, &facts), SKEP_OK);
    assert_string_equal(facts.group, "thumbs");
}

static void test_each_is_reloaded_by_itself(void **state) {
    struct hive *hive = *state;
    skep_group *thumbs = start_two(hive), *web = skep_cluster_group(hive->cluster);
    assert_int_equal(skep_group_reload(thumbs, NULL), SKEP_OK);
    assert_int_equal(skep_group_reload(web, NULL), SKEP_OK); /* at the same time */
    assert_int_equal(skep_group_reload_request(thumbs), 1);
    assert_int_equal(skep_group_reload_request(web), 1);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_EXIT, "thumbs") == 2 && count(hive, SKEP_EVENT_EXIT, "web") == 1);
    assert_int_equal(ready_in(hive, thumbs), 2);
    assert_int_equal(ready_in(hive, web), 1);
    assert_int_equal(skep_group_reload(thumbs, NULL), SKEP_OK);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_EXIT, "thumbs") == 4);
    assert_int_equal(count(hive, SKEP_EVENT_EXIT, "web"), 1);
    assert_int_equal(skep_cluster_reload_request(hive->cluster), 1);
    assert_int_equal(skep_group_reload_request(thumbs), 2);
}

static void test_each_has_its_breaker(void **state) {
    struct hive *hive = *state;
    start(hive);
    skep_group *web = skep_cluster_group(hive->cluster);
    skep_group *broken = add_group(hive, "broken", "fail", (skep_settings){.respawn = true, .failures = 2});
    hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_group_scale(broken, 2), SKEP_OK);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_BREAKER, "broken") == 1);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_READY, "web") == 2); /* is replaced all the same */
    scale(hive, web, 2);
    HIVE_UNTIL(hive, ready_in(hive, web) == 2);
    skep_cluster_close_breaker(hive->cluster); /* of the first */
    assert_int_equal(count(hive, SKEP_EVENT_BREAKER, "broken"), 1);
    skep_group_close_breaker(broken);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_BREAKER, "broken") >= 2);
    assert_int_equal(count(hive, SKEP_EVENT_BREAKER, "web"), 0);
}

/* The same URL, with port 0, is another socket in each; a fixed one is of who came first. */
static void test_each_has_its_listeners(void **state) {
    struct hive *hive = *state;
    const char *url, *other;
    start(hive);
    skep_group *thumbs = add_group(hive, "thumbs", "listen", (skep_settings){.policy = SKEP_POLICY_SHARED});
    hive_fork_ready(hive, "listen", "SKEP_TEST_URL=tcp://127.0.0.1:0");
    scale(hive, thumbs, 2);
    HIVE_UNTIL(hive, ready_in(hive, thumbs) == 2);
    const char *first = hive_find(hive, SKEP_EVENT_LISTENING, 1)->url,
               *second = hive_find(hive, SKEP_EVENT_LISTENING, 2)->url;
    assert_string_not_equal(first, second);
    assert_string_equal(second, hive_find(hive, SKEP_EVENT_LISTENING, 3)->url);
    assert_int_equal(skep_cluster_listen(hive->cluster, "door", "tcp://127.0.0.1:0", &url), SKEP_OK);
    assert_int_equal(skep_group_listen(thumbs, NULL, url, &other), SKEP_EADDRINUSE);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "another group listens there"));
    assert_int_equal(skep_group_listen(thumbs, "door", "tcp://127.0.0.1:0", &other), SKEP_EADDRINUSE);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "another listener has this name"));
}

static int bound_socket(void) {
    const struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof local), 0);
    return fd;
}

/* Where the kernel would let both have the same socket, too. */
static void test_no_socket_is_shared(void **state) {
    struct hive *hive = *state;
    const char *url, *other;
    char given[32], every[64];
    hive_start(hive, &(skep_settings){.group = "web", .policy = SKEP_POLICY_REUSEPORT});
    skep_group *thumbs = add_group(hive, "thumbs", "idle", (skep_settings){.policy = SKEP_POLICY_REUSEPORT});
    assert_int_equal(skep_cluster_listen(hive->cluster, "door", "tcp://127.0.0.1:0", &url), SKEP_OK);
    snprintf(every, sizeof every, "tcp://*%s", strrchr(url, ':'));
    assert_int_equal(skep_group_listen(thumbs, NULL, url, &other), SKEP_EADDRINUSE);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "another group listens there"));
    assert_int_equal(skep_group_listen(thumbs, NULL, every, &other), SKEP_EADDRINUSE);
    assert_int_equal(skep_group_listen(thumbs, NULL, "door", &other), SKEP_EADDRINUSE);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "the listener of this name is another group's"));
    int fd = bound_socket();
    snprintf(given, sizeof given, "fd://%d", fd);
    assert_int_equal(skep_cluster_listen(hive->cluster, "x", given, &other), SKEP_OK);
    assert_int_equal(skep_group_listen(thumbs, "y", given, &other), SKEP_EADDRINUSE);
    assert_int_equal(skep_group_listen(thumbs, "y", "tcp://127.0.0.1:0", &other), SKEP_OK);
    close(fd);
}

/* Each group counts its own: a worker that asks for the URL of its only named listener gets that one. */
static void test_named_listeners_are_counted_by_group(void **state) {
    struct hive *hive = *state;
    const char *door, *gate;
    start(hive);
    skep_group *thumbs = add_group(hive, "thumbs", "listen", (skep_settings){0});
    assert_int_equal(skep_cluster_listen(hive->cluster, "door", "tcp://127.0.0.1:0", &door), SKEP_OK);
    assert_int_equal(skep_group_listen(thumbs, "gate", "tcp://127.0.0.1:0", &gate), SKEP_OK);
    const char *const env[] = {"SKEP_TEST_URL=tcp://127.0.0.1:0", NULL};
    assert_int_equal(skep_group_fork(thumbs, env, NULL), SKEP_OK);
    HIVE_UNTIL(hive, ready_in(hive, thumbs) == 1);
    assert_string_equal(hive_find(hive, SKEP_EVENT_LISTENING, 1)->url, gate);
}

/* As many as there may be of all groups: fewer is always allowed. */
static void test_the_limit_is_of_all(void **state) {
    struct hive *hive = *state;
    start(hive);
    skep_group *web = skep_cluster_group(hive->cluster);
    skep_group *broken = add_group(hive, "broken", "fail", (skep_settings){.respawn = true, .failures = 1});
    scale(hive, broken, 1);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_BREAKER, "broken") == 1);
    assert_int_equal(skep_group_scale(broken, 1000), SKEP_OK); /* none is started */
    assert_int_equal(skep_group_scale(web, 1), SKEP_EINVAL);
    assert_non_null(strstr(skep_cluster_why(hive->cluster), "1 workers and those of other groups: at most 1000"));
    hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_group_scale(broken, 1000), SKEP_OK);
    assert_int_equal(skep_group_scale(broken, 999), SKEP_OK);
    assert_int_equal(skep_group_scale(broken, 1000), SKEP_EINVAL);
    assert_int_equal(skep_group_scale(web, 0), SKEP_OK);
}

/* The worker that listened there is to come again, some time: what happens in another group must not close it. */
static void test_a_listener_waits_for_its_own_group(void **state) {
    struct hive *hive = *state;
    const char *bound;
    hive_start(hive, &(skep_settings){.respawn = true, .group = "web", .failures = 1});
    skep_group *thumbs = add_group(hive, "thumbs", "idle", (skep_settings){.respawn = true});
    hive_fork_ready(hive, "listen", "SKEP_TEST_URL=tcp://127.0.0.1:0");
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 1), SIGUSR1), SKEP_OK);
    HIVE_UNTIL(hive, count(hive, SKEP_EVENT_BREAKER, "web") == 1);
    scale(hive, thumbs, 1);
    HIVE_UNTIL(hive, ready_in(hive, thumbs) == 1);
    const char *url = hive_find(hive, SKEP_EVENT_LISTENING, 1)->url;
    assert_int_equal(skep_group_listen(thumbs, NULL, url, &bound), SKEP_EADDRINUSE);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_they_are_found),
        HIVE_TEST(test_what_is_refused),
        HIVE_TEST(test_each_is_scaled_and_drained_by_itself),
        HIVE_TEST(test_each_is_reloaded_by_itself),
        HIVE_TEST(test_each_has_its_breaker),
        HIVE_TEST(test_each_has_its_listeners),
        HIVE_TEST(test_no_socket_is_shared),
        HIVE_TEST(test_named_listeners_are_counted_by_group),
        HIVE_TEST(test_the_limit_is_of_all),
        HIVE_TEST(test_a_listener_waits_for_its_own_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
