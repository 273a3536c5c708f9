/* SPDX-License-Identifier: MIT
 * Events: which come, in which order, to whom first, and what they say. */
#include "hive.h"
#include "roles.h"

#include <signal.h>

/* --- workers --- */

static void accept_nothing(skep_worker *worker, skep_listener *listener, int fd, void *context) {
    (void)listener;
    (void)context;
    close(fd);
    skep_connection_finished(worker, fd);
}

static void listen_everywhere(skep_worker *worker) {
    role_need(skep_listen(worker, "tcp://127.0.0.1:0", accept_nothing, NULL, NULL), "listen on IPv4");
    role_need(skep_listen(worker, "tcp://[::1]:0", accept_nothing, NULL, NULL), "listen on IPv6");
    role_need(skep_listen(worker, getenv("SOCKET_URL"), accept_nothing, NULL, NULL), "listen on a path");
}

static void leave_by_itself(skep_worker *worker) {
    skep_disconnect(worker);
}

static void exit_with_7(skep_worker *worker) {
    (void)worker;
    _exit(7);
}

static void exit_with_0(skep_worker *worker) {
    (void)worker;
    _exit(0);
}

static void say_hello(skep_worker *worker) {
    role_tell(worker, "hello", "world");
}

static const struct role roles[] = {
    {"idle", role_idle},
    {"listen", listen_everywhere},
    {"leave", leave_by_itself},
    {"exit-7", exit_with_7},
    {"exit-0", exit_with_0},
    {"hello", say_hello},
    {NULL, NULL},
};

/* --- order --- */

static void expect_order(const struct hive *hive, const enum skep_event_kind *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i >= hive->count || hive->log[i].kind != kinds[i]) hive_print(hive);
        assert_true(i < hive->count);
        assert_string_equal(skep_event_name(hive->log[i].kind), skep_event_name(kinds[i]));
    }
    assert_int_equal(hive->count, count);
}

/* Nothing is told inside the call that causes it. */
static void test_a_life_in_order(void **state) {
    struct hive *hive = *state;
    char variable[128];
    hive_start(hive, NULL);
    assert_int_equal(hive->count, 0);
    snprintf(variable, sizeof variable, "SOCKET_URL=unix://%s/listen-here", hive->dir);
    skep_child *child = hive_fork(hive, "listen", variable);
    assert_int_equal(hive->count, 0);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 1) == 1);
    skep_child_disconnect(child);
    assert_int_equal(hive_count(hive, SKEP_EVENT_DRAIN, 0), 0);
    hive_run_dry(hive);
    expect_order(hive,
                 (const enum skep_event_kind[]){
                     SKEP_EVENT_SETUP, SKEP_EVENT_FORK, SKEP_EVENT_ONLINE, SKEP_EVENT_LISTENING, SKEP_EVENT_LISTENING,
                     SKEP_EVENT_LISTENING, SKEP_EVENT_READY, SKEP_EVENT_DRAIN, SKEP_EVENT_DISCONNECT, SKEP_EVENT_EXIT},
                 10);
}

/* The first turn of the loop tells the fork, before the worker can have said anything. */
static void test_fork_comes_on_the_next_turn(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork(hive, "idle", NULL);
    uv_run(skep_cluster_loop(hive->cluster), UV_RUN_NOWAIT);
    assert_true(hive->count >= 2);
    assert_int_equal(hive->log[0].kind, SKEP_EVENT_SETUP);
    assert_int_equal(hive->log[1].kind, SKEP_EVENT_FORK);
    assert_int_equal(hive->log[1].worker, 1);
}

/* --- what they say --- */

static const struct seen *listening_of_type(const struct hive *hive, int type) {
    for (size_t i = 0; i < hive->count; i++)
        if (hive->log[i].kind == SKEP_EVENT_LISTENING && hive->log[i].address_type == type) return &hive->log[i];
    return NULL;
}

static void expect_listening(const struct hive *hive, int type, const char *address, const char *url) {
    char text[160];
    const struct seen *seen = listening_of_type(hive, type);
    assert_non_null(seen);
    assert_string_equal(seen->address, address);
    assert_true(seen->fd >= 0);
    assert_int_equal(seen->port > 0, type != -1);
    if (type != -1) snprintf(text, sizeof text, "%s:%u", url, seen->port);
    else snprintf(text, sizeof text, "%s", url);
    assert_string_equal(seen->url, text);
}

static void test_listening_says_where(void **state) {
    struct hive *hive = *state;
    char variable[128], path[64];
    const char *url = variable + strlen("SOCKET_URL=");
    hive_start(hive, NULL);
    snprintf(path, sizeof path, "%s/listen-here", hive->dir);
    snprintf(variable, sizeof variable, "SOCKET_URL=unix://%s", path);
    hive_fork_ready(hive, "listen", variable);
    expect_listening(hive, 4, "127.0.0.1", "tcp://127.0.0.1");
    expect_listening(hive, 6, "::1", "tcp://[::1]");
    expect_listening(hive, -1, path, url);
}

static const struct seen *exit_of(struct hive *hive, const char *role) {
    uint32_t id = skep_child_id(hive_fork(hive, role, NULL));
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
    return hive_find(hive, SKEP_EVENT_EXIT, id);
}

static void expect_exit(const struct seen *seen, int code, int signal, const char *reason) {
    assert_int_equal(seen->code, code);
    assert_int_equal(seen->signal, signal);
    assert_string_equal(seen->reason, reason);
    assert_int_equal(seen->delay_ms, -1);
    assert_true(seen->uptime_ms < HIVE_PATIENCE_MS);
}

static void test_exit_has_a_code_or_a_signal(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    expect_exit(exit_of(hive, "exit-7"), 7, -1, "crashed");
    expect_exit(exit_of(hive, "exit-0"), 0, -1, "exited");
    expect_exit(exit_of(hive, "leave"), 0, -1, "voluntary");
    skep_child *child = hive_fork_ready(hive, "idle", NULL);
    uint32_t id = skep_child_id(child);
    assert_int_equal(skep_child_kill(child, SIGUSR1), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
    expect_exit(hive_find(hive, SKEP_EVENT_EXIT, id), -1, SIGUSR1, "crashed");
}

static void test_disconnect_and_exit_come_once_each(void **state) {
    static const char *const names[] = {"exit-7", "exit-0", "leave", "idle"};
    struct hive *hive = *state;
    hive_start(hive, NULL);
    for (size_t i = 0; i < 4; i++) hive_fork(hive, names[i], NULL);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, 0) == 3 && hive_find(hive, SKEP_EVENT_READY, 4) != NULL);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 4), SIGKILL), SKEP_OK);
    hive_run_dry(hive);
    for (uint32_t id = 1; id <= 4; id++) {
        assert_int_equal(hive_count(hive, SKEP_EVENT_FORK, id), 1);
        assert_int_equal(hive_count(hive, SKEP_EVENT_DISCONNECT, id), 1);
        assert_int_equal(hive_count(hive, SKEP_EVENT_EXIT, id), 1);
    }
}

static void test_ids_are_never_reused(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    for (uint32_t id = 1; id <= 3; id++) {
        skep_child *child = hive_fork(hive, "exit-0", NULL);
        assert_int_equal(skep_child_id(child), id);
        assert_int_equal(skep_child_slot(child), 0);
        assert_ptr_equal(skep_child_by_id(hive->cluster, id), child);
        HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_EXIT, id) == 1);
        assert_null(skep_child_by_id(hive->cluster, id));
    }
}

/* --- who is there --- */

struct counting {
    unsigned at_disconnect, at_exit, wrong;
};

/* Of a worker that is told to have exited nothing is found any more; the others follow it. */
static void count_at_exit(skep_cluster *cluster, const skep_event *event, void *context) {
    struct counting *counting = context;
    uint32_t id = skep_child_id(event->child);
    const skep_child *next = skep_child_next(cluster, event->child);
    counting->at_exit = (unsigned)skep_child_count(cluster);
    counting->wrong += skep_child_by_id(cluster, id) != NULL;
    counting->wrong += id == 2 ? next != skep_child_by_id(cluster, 3) : next != NULL;
    for (const skep_child *c = skep_child_next(cluster, NULL); c != NULL; c = skep_child_next(cluster, c))
        counting->wrong += c == event->child;
}

static void count_at_disconnect(skep_cluster *cluster, const skep_event *event, void *context) {
    struct counting *counting = context;
    counting->at_disconnect = (unsigned)skep_child_count(cluster);
    counting->wrong += skep_child_by_id(cluster, skep_child_id(event->child)) != event->child;
}

static void test_gone_before_the_exit_is_told(void **state) {
    struct hive *hive = *state;
    struct counting counting = {0};
    hive_start(hive, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_EXIT, count_at_exit, &counting), SKEP_OK);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_DISCONNECT, count_at_disconnect, &counting), SKEP_OK);
    for (unsigned i = 0; i < 3; i++) hive_fork_ready(hive, "idle", NULL);
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 2), SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    assert_int_equal(counting.at_disconnect, 3);
    assert_int_equal(counting.at_exit, 2);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 3));
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 3) != NULL);
    assert_int_equal(counting.at_exit, 1);
    assert_int_equal(counting.wrong, 0);
}

/* --- who hears first --- */

struct hearing {
    char order[64];
    skep_child *child;
};

static void heard(skep_cluster *cluster, const skep_event *event, void *context) {
    struct hearing *hearing = skep_child_data(event->child);
    (void)cluster;
    size_t used = strlen(hearing->order);
    snprintf(hearing->order + used, sizeof hearing->order - used, "%s", (const char *)context);
}

static void expect_hearing(struct hive *hive, const char *role, enum skep_event_kind kind, const char *order) {
    struct hearing hearing = {.order = ""};
    assert_int_equal(skep_on(hive->cluster, kind, heard, "c"), SKEP_OK);
    skep_child *child = hive_fork(hive, role, NULL);
    uint32_t id = skep_child_id(child);
    skep_child_set_data(child, &hearing);
    assert_ptr_equal(skep_child_data(child), &hearing);
    assert_int_equal(skep_child_on(child, kind, heard, "w"), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, kind, id) != NULL && strlen(hearing.order) == strlen(order));
    assert_string_equal(hearing.order, order);
    assert_int_equal(skep_child_kill(child, SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
}

static void test_the_worker_hears_before_the_cluster(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    expect_hearing(hive, "idle", SKEP_EVENT_ONLINE, "wc");
}

static void test_of_messages_the_cluster_hears_first(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    expect_hearing(hive, "hello", SKEP_EVENT_MESSAGE, "cw");
    const struct seen *seen = hive_find(hive, SKEP_EVENT_MESSAGE, 1);
    assert_string_equal(seen->name, "hello");
    assert_string_equal(seen->text, "world");
    assert_int_equal(seen->size_bytes, 5);
    assert_int_equal(seen->request, 0);
}

/* Listeners of one worker hear of that worker only. */
static void test_listeners_of_one_worker(void **state) {
    struct hive *hive = *state;
    struct hearing first = {.order = ""}, second = {.order = ""};
    hive_start(hive, NULL);
    skep_child *a = hive_fork(hive, "idle", NULL), *b = hive_fork(hive, "idle", NULL);
    skep_child_set_data(a, &first);
    skep_child_set_data(b, &second);
    assert_int_equal(skep_child_on(a, SKEP_EVENT_READY, heard, "a"), SKEP_OK);
    HIVE_UNTIL(hive, hive_count(hive, SKEP_EVENT_READY, 0) == 2);
    assert_string_equal(first.order, "a");
    assert_string_equal(second.order, "");
}

static void test_bad_subscriptions(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    skep_child *child = hive_fork(hive, "idle", NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_KINDS, heard, NULL), SKEP_EINVAL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_EXIT, NULL, NULL), SKEP_EINVAL);
    assert_int_equal(skep_child_on(child, (enum skep_event_kind)99, heard, NULL), SKEP_EINVAL);
    assert_string_equal(skep_event_name(SKEP_EVENT_LISTENING), "listening");
    assert_string_equal(skep_event_name(SKEP_EVENT_KINDS), "?");
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_a_life_in_order),
        HIVE_TEST(test_fork_comes_on_the_next_turn),
        HIVE_TEST(test_listening_says_where),
        HIVE_TEST(test_exit_has_a_code_or_a_signal),
        HIVE_TEST(test_disconnect_and_exit_come_once_each),
        HIVE_TEST(test_ids_are_never_reused),
        HIVE_TEST(test_gone_before_the_exit_is_told),
        HIVE_TEST(test_the_worker_hears_before_the_cluster),
        HIVE_TEST(test_of_messages_the_cluster_hears_first),
        HIVE_TEST(test_listeners_of_one_worker),
        HIVE_TEST(test_bad_subscriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
