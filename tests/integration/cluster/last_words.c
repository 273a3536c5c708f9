/* SPDX-License-Identifier: MIT
 * What a worker or client sends last arrives, however it ends, once it was told that all has left: the broker reads to
 * the end before it calls it gone. */
#include "stand.h"

#include <sys/time.h>

enum {
    MESSAGES = 60,
    MESSAGE_BYTES = 64 * 1024,
    FEW = 6, /* messages that a socket takes while nobody reads */
    ROUNDS = 5,
    CLIENT_MESSAGES = 200,
    CLIENT_MESSAGE_BYTES = 16 * 1024,
    HELD_UP_S = 1
};

/* --- workers --- */

static unsigned messages_to_send(void) {
    return (unsigned)strtoul(getenv("LAST_WORDS"), NULL, 10);
}

static void send_all(skep_worker *worker) {
    static char data[MESSAGE_BYTES];
    for (unsigned i = 0; i < messages_to_send(); i++) role_need(skep_send(worker, "last", data, sizeof data), "send");
}

static void disconnect(skep_worker *worker) {
    role_need(skep_worker_ready(worker), "ready");
    send_all(worker);
    skep_disconnect(worker);
}

/* Without the loop's help: nothing but flushing has sent this. */
static void flush_and_die(skep_worker *worker) {
    int status;
    role_need(skep_worker_ready(worker), "ready");
    send_all(worker);
    while ((status = skep_flush(worker)) == SKEP_EAGAIN) poll(NULL, 0, 1);
    role_need(status, "flush");
    kill(getpid(), SIGKILL);
}

/* Counts messages, and replies with their number when asked. */
static void count(skep_worker *worker, const skep_message *message, void *context) {
    static unsigned counted;
    char text[16];
    (void)context;
    counted += message->request == 0;
    int length = snprintf(text, sizeof text, "%u", counted);
    if (message->request != 0)
        role_need(skep_reply(worker, message->from, message->request, SKEP_OK, text, (size_t)length), "reply");
}

static void begin_count(skep_worker *worker) {
    skep_on_message(worker, count, NULL);
}

static const struct role roles[] = {{"disconnect", disconnect}, {"die", flush_and_die}, {"echo", begin_count}, {0}};

/* --- the primary's side --- */

static void expect_last_words(struct hive *hive, const char *role, unsigned messages, int signal) {
    for (uint32_t worker = 1; worker <= ROUNDS; worker++) {
        char variable[32];
        snprintf(variable, sizeof variable, "LAST_WORDS=%u", messages);
        skep_child *child = hive_fork(hive, role, variable);
        uint32_t id = skep_child_id(child);
        HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
        assert_int_equal(hive_messages(hive, id, "last"), messages);
        assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->signal, signal);
        const struct seen *latest = &hive->log[hive->count - 1];
        while (latest->worker != id || latest->kind != SKEP_EVENT_MESSAGE) latest--;
        assert_true(latest < hive_find(hive, SKEP_EVENT_EXIT, id)); /* each message before the end */
    }
}

static void test_a_worker_that_disconnects(void **state) {
    hive_start(*state, NULL);
    expect_last_words(*state, "disconnect", MESSAGES, -1);
}

static void test_a_worker_that_is_killed_after_it_has_flushed(void **state) {
    hive_start(*state, NULL);
    expect_last_words(*state, "die", MESSAGES, SIGKILL);
}

/* The primary has read nothing before the worker is dead: that it has ended and what it sent are there at once. */
static void test_a_primary_that_looks_afterwards(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char variable[32];
        siginfo_t end;
        snprintf(variable, sizeof variable, "LAST_WORDS=%u", FEW);
        skep_child *child = hive_fork(hive, "die", variable);
        uint32_t id = skep_child_id(child);
        pid_t pid = skep_child_pid(child);
        HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_ONLINE, id) != NULL);
        assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT), 0);
        HIVE_UNTIL(hive, hive_find(hive, SKEP_EVENT_EXIT, id) != NULL);
        assert_int_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->signal, SIGKILL);
        assert_int_equal(hive_messages(hive, id, "last"), FEW);
    }
}

/* --- a client --- */

static pid_t held_up;

static void let_go(int signal) {
    (void)signal;
    kill(held_up, SIGCONT);
}

static unsigned counted_by_worker(struct stand *stand) {
    void *reply = NULL;
    size_t size_bytes = 0;
    assert_int_equal(
        skep_request_wait(stand->client, 1, NULL, "how-many", NULL, 0, STAND_PATIENCE_MS, &reply, &size_bytes),
        SKEP_OK);
    unsigned counted = (unsigned)strtoul(reply, NULL, 10);
    free(reply);
    return counted;
}

static void test_a_client_that_is_freed_while_the_broker_is_held_up(void **state) {
    static char data[CLIENT_MESSAGE_BYTES];
    struct stand *stand = *state;
    stand_start(stand, 1);
    STAND_UNTIL(stand, stand->joined == 1);
    held_up = stand->broker;
    signal(SIGALRM, let_go);
    assert_int_equal(kill(stand->broker, SIGSTOP), 0);
    for (unsigned i = 0; i < CLIENT_MESSAGES; i++)
        assert_int_equal(skep_client_send(stand->client, 1, NULL, "m", data, sizeof data), SKEP_OK);
    alarm(HELD_UP_S);
    skep_client_free(&stand->client);
    stand_join(stand, &(skep_client_options){.dir = stand->dir});
    STAND_UNTIL(stand, counted_by_worker(stand) == CLIENT_MESSAGES);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    if (getenv("CLIENTS_BROKER") != NULL) return stand_play_broker(getenv("CLIENTS_BROKER"));
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_a_worker_that_disconnects),
        HIVE_TEST(test_a_worker_that_is_killed_after_it_has_flushed),
        HIVE_TEST(test_a_primary_that_looks_afterwards),
        STAND_TEST(test_a_client_that_is_freed_while_the_broker_is_held_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
