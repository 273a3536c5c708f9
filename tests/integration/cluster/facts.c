/* SPDX-License-Identifier: MIT
 * What is known of a worker when its link ends, and after its end. */
#include "serve.h"

#include <signal.h>

/* --- workers --- */

static void leave_when_told(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    if (strcmp(message->name, "leave") == 0) skep_disconnect(worker);
    if (strcmp(message->name, "exit") == 0) _exit(0);
    if (strcmp(message->name, "crash") == 0) _exit(3);
    if (strcmp(message->name, "close link") == 0) shutdown(3, SHUT_RDWR);
    if (strcmp(message->name, "count") == 0) skep_count(worker, "requests", 5);
}

static void wait_for_orders(skep_worker *worker) {
    skep_on_message(worker, leave_when_told, NULL);
}

static const struct role roles[] = {{"serve", serve_begin}, {"obey", wait_for_orders}, {NULL, NULL}};

/* --- the primary's side --- */

static void order(struct hive *hive, uint32_t id, const char *what) {
    assert_int_equal(skep_child_send(skep_child_by_id(hive->cluster, id), what, NULL, 0), SKEP_OK);
}

static void expect_end(struct hive *hive, uint32_t id, int voluntary, const char *at_disconnect, const char *at_exit) {
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
    const struct seen *disconnect = hive_find(hive, SKEP_EVENT_DISCONNECT, id);
    assert_non_null(disconnect);
    assert_int_equal(disconnect->after_disconnect, voluntary);
    if (strcmp(disconnect->reason, at_disconnect) != 0 && strcmp(disconnect->reason, at_exit) != 0)
        fail_msg("worker %u: disconnect says %s", id, disconnect->reason);
    assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->reason, at_exit);
}

/* The link's end may be seen before the process's, and says less then; never that it was voluntary. */
static void test_disconnect_says_whether_it_was_asked_for(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    for (unsigned i = 0; i < 5; i++) hive_fork_ready(hive, "obey", NULL);
    skep_child_disconnect(skep_child_by_id(hive->cluster, 1));
    expect_end(hive, 1, 1, "voluntary", "voluntary");
    order(hive, 2, "leave");
    expect_end(hive, 2, 1, "voluntary", "voluntary");
    order(hive, 3, "crash");
    expect_end(hive, 3, 0, "lost", "crashed");
    order(hive, 4, "exit");
    expect_end(hive, 4, 0, "lost", "exited");
    assert_int_equal(skep_child_kill(skep_child_by_id(hive->cluster, 5), SIGKILL), SKEP_OK);
    expect_end(hive, 5, 0, "lost", "crashed");
}

/* A link that ends long before its process */
static void test_disconnect_before_the_exit(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    hive_fork_ready(hive, "obey", NULL);
    order(hive, 1, "close link");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    const struct seen *disconnect = hive_find(hive, SKEP_EVENT_DISCONNECT, 1);
    assert_string_equal(disconnect->reason, "lost");
    assert_int_equal(disconnect->after_disconnect, 0);
    assert_false(disconnect->dead);
}

static skep_exit_facts facts_of(struct hive *hive, uint32_t id) {
    skep_exit_facts facts;
    memset(&facts, 0x5a, sizeof facts);
    assert_int_equal(skep_child_exit_facts(hive->cluster, id, &facts), SKEP_OK);
    assert_int_equal(facts.id, id);
    return facts;
}

struct at_exit {
    int status, signal;
};

static void ask_at_exit(skep_cluster *cluster, const skep_event *event, void *context) {
    struct at_exit *at_exit = context;
    skep_exit_facts facts = {.signal = 0};
    at_exit->status = skep_child_exit_facts(cluster, skep_child_id(event->child), &facts);
    at_exit->signal = facts.signal;
}

static void test_facts_after_the_exit(void **state) {
    struct hive *hive = *state;
    struct at_exit at_exit = {.status = -1};
    skep_exit_facts facts = {.id = 77};
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "serve", "SKEP_TEST_NAME=bee");
    pid_t pid = skep_child_pid(child);
    assert_int_equal(skep_once(hive->cluster, SKEP_EVENT_EXIT, ask_at_exit, &at_exit), SKEP_OK);
    assert_int_equal(client_ask(hive, serve_url_of(hive, 1, "url")), 1);
    assert_int_equal(skep_child_exit_facts(hive->cluster, 1, &facts), SKEP_ENOWORKER);
    assert_int_equal(facts.id, 77);
    assert_int_equal(skep_child_kill(child, SIGKILL), SKEP_OK);
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 1) != NULL);
    assert_int_equal(at_exit.status, SKEP_OK);
    assert_int_equal(at_exit.signal, SIGKILL);
    facts = facts_of(hive, 1);
    assert_int_equal(facts.pid, pid);
    assert_string_equal(facts.name, "bee");
    assert_int_equal(facts.code, -1);
    assert_int_equal(facts.signal, SIGKILL);
    assert_string_equal(facts.reason, "crashed");
    assert_int_equal(facts.accepted, 1);
    assert_true(facts.ready && !facts.voluntary && facts.time_ms > 0);
    assert_int_equal(facts.delay_ms, -1);
    hive_fork_ready(hive, "obey", NULL);
    order(hive, 2, "count");
    order(hive, 2, "leave");
    HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, 2) != NULL);
    facts = facts_of(hive, 2);
    assert_int_equal(facts.code, 0);
    assert_int_equal(facts.requests, 5);
    assert_true(facts.voluntary);
    assert_int_equal(skep_child_exit_facts(hive->cluster, 3, &facts), SKEP_ENOWORKER);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_disconnect_says_whether_it_was_asked_for),
        HIVE_TEST(test_disconnect_before_the_exit),
        HIVE_TEST(test_facts_after_the_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
