/* SPDX-License-Identifier: MIT
 * More than fits: senders are told, nothing is lost, the largest message passes and a larger one does not, and what was
 * sent before leaving arrives. */
#include "agent.h"
#include "hive.h"

#include <signal.h>

enum {
    MESSAGES = 3000,
    MESSAGE_BYTES = 8 * 1024, /* together far more than may wait */
    LARGEST = 1024 * 1024,
    LAST_WORDS = 200,
    LEAVERS = 20,
};

/* --- workers --- */

static struct {
    unsigned next;    /* message to send */
    unsigned refused; /* sends that were told to wait */
    unsigned drained;
} flood;

static void send_more(skep_worker *worker, void *context) {
    static char data[MESSAGE_BYTES];
    (void)context;
    for (; flood.next < MESSAGES; flood.next++) {
        memcpy(data, &flood.next, sizeof flood.next);
        int status = skep_send(worker, "flood", data, sizeof data);
        if (status == SKEP_EAGAIN) {
            flood.refused++;
            return;
        }
        role_need(status, "send");
    }
    role_tell_number(worker, "refused", flood.refused);
    role_tell_number(worker, "drained", flood.drained);
}

static void drained(skep_worker *worker, void *context) {
    flood.drained++;
    send_more(worker, context);
}

static void send_a_flood(skep_worker *worker) {
    skep_on_drain(worker, drained, NULL);
    send_more(worker, NULL);
}

static void count_flood(skep_worker *worker, const skep_message *message, void *context) {
    static unsigned next;
    unsigned number = 0;
    (void)context;
    if (strcmp(message->name, "end") == 0) {
        role_tell_number(worker, "received", next);
        return;
    }
    memcpy(&number, message->data, sizeof number);
    if (number != next++ || message->size_bytes != MESSAGE_BYTES) _exit(ROLE_BROKEN);
}

static void receive_a_flood(skep_worker *worker) {
    skep_on_message(worker, count_flood, NULL);
}

static void fill(char *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; i++) data[i] = (char)(i * 7 + i / 251);
}

static bool is_filled(const void *data, size_t size_bytes) {
    for (size_t i = 0; i < size_bytes; i++)
        if (((const char *)data)[i] != (char)(i * 7 + i / 251)) return false;
    return true;
}

static void echo(skep_worker *worker, const skep_message *message, void *context) {
    (void)context;
    if (message->request != 0)
        role_need(skep_reply(worker, 0, message->request, SKEP_OK, message->data, message->size_bytes), "reply");
    else
        role_need(skep_send(worker, message->broadcast ? "heard" : "back", message->data, message->size_bytes), "send");
}

/* Status names of sends with one byte more than may be. */
static void send_too_much(skep_worker *worker) {
    static char data[LARGEST + 1];
    static const char long_name[] = "12345678901234567890123456789012345678901234567890123456789012345";
    const int statuses[] = {
        skep_send(worker, "large", data, sizeof data),
        skep_send_to(worker, 1, "large", data, sizeof data),
        skep_send_to_name(worker, "x", "large", data, sizeof data),
        skep_broadcast(worker, "large", data, sizeof data),
        skep_request(worker, 0, "large", data, sizeof data, 0, agent_replied, NULL),
        skep_request_name(worker, "x", "large", data, sizeof data, 0, agent_replied, NULL),
        skep_reply(worker, 0, 1, SKEP_OK, data, sizeof data),
        skep_send(worker, long_name, NULL, 0),
        skep_send_to_name(worker, long_name, "name", NULL, 0),
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        role_tell(worker, "status", skep_status_name(statuses[i]));
    skep_on_message(worker, echo, NULL);
    role_need(skep_subscribe(worker), "subscribe");
}

static void speak_and_leave(skep_worker *worker) {
    for (unsigned i = 0; i < LAST_WORDS; i++) role_tell_number(worker, "word", i);
    skep_disconnect(worker);
}

static void send_much_and_leave(skep_worker *worker) {
    static char data[LARGEST];
    fill(data, sizeof data);
    for (unsigned i = 0; i < 4; i++) role_need(skep_send(worker, "large", data, sizeof data), "send");
    skep_disconnect(worker);
}

static const struct role roles[] = {
    {"flood", send_a_flood},    {"receive", receive_a_flood},       {"too-much", send_too_much},
    {"speak", speak_and_leave}, {"send-much", send_much_and_leave}, {NULL, NULL},
};

/* --- the primary's side --- */

struct received {
    unsigned count;
    unsigned wrong; /* out of order, or not what was sent */
};

static void take_flood(skep_cluster *cluster, const skep_event *event, void *context) {
    struct received *received = context;
    unsigned number = 0;
    (void)cluster;
    if (strcmp(event->name, "flood") != 0) return;
    memcpy(&number, event->data, sizeof number);
    received->wrong += number != received->count || event->size_bytes != MESSAGE_BYTES;
    received->count++;
}

static void test_a_worker_sends_more_than_fits(void **state) {
    struct hive *hive = *state;
    struct received received = {0};
    hive_start(hive, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_MESSAGE, take_flood, &received), SKEP_OK);
    hive_fork(hive, "flood", NULL);
    HIVE_UNTIL(hive, hive_message(hive, 1, "drained") != NULL);
    assert_int_equal(received.count, MESSAGES);
    assert_int_equal(received.wrong, 0);
    assert_true(atoi(hive_message(hive, 1, "refused")->text) >= 1);
    assert_string_equal(hive_message(hive, 1, "drained")->text, hive_message(hive, 1, "refused")->text);
}

/* To a worker that does not read: the sender is told, and what was taken arrives once the worker reads again. */
static void test_the_primary_sends_more_than_fits(void **state) {
    static char data[MESSAGE_BYTES];
    struct hive *hive = *state;
    char text[32];
    int status = SKEP_OK;
    unsigned sent = 0;
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "receive", NULL);
    assert_int_equal(skep_child_kill(child, SIGSTOP), SKEP_OK);
    for (; sent < MESSAGES && status == SKEP_OK; sent += status == SKEP_OK) {
        memcpy(data, &sent, sizeof sent);
        status = skep_child_send(child, "flood", data, sizeof data);
    }
    assert_int_equal(status, SKEP_EAGAIN);
    assert_true((size_t)sent * MESSAGE_BYTES > LARGEST);
    assert_int_equal(skep_child_kill(child, SIGCONT), SKEP_OK);
    HIVE_LOOK_UNTIL(hive, skep_child_send(child, "end", NULL, 0) == SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, 1, "received") != NULL);
    snprintf(text, sizeof text, "%u", sent);
    assert_string_equal(hive_message(hive, 1, "received")->text, text);
}

/* --- sizes --- */

static void take_large(skep_cluster *cluster, const skep_event *event, void *context) {
    struct received *received = context;
    (void)cluster;
    if (event->size_bytes < LARGEST) return;
    received->count++;
    received->wrong += !is_filled(event->data, event->size_bytes);
}

static void take_large_reply(skep_cluster *cluster, int status, const void *data, size_t size_bytes, void *context) {
    struct received *received = context;
    (void)cluster;
    received->count++;
    received->wrong += status != SKEP_OK || size_bytes != LARGEST || !is_filled(data, size_bytes);
}

static void test_the_largest_message(void **state) {
    static char data[LARGEST];
    struct hive *hive = *state;
    struct received received = {0}, replies = {0};
    fill(data, sizeof data);
    hive_start(hive, &(skep_settings){.interval_ms = 200});
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_MESSAGE, take_large, &received), SKEP_OK);
    skep_child *child = hive_fork_ready(hive, "too-much", NULL);
    assert_int_equal(skep_child_send(child, "large", data, sizeof data), SKEP_OK);
    HIVE_UNTIL(hive, received.count == 1);
    assert_int_equal(skep_cluster_broadcast(hive->cluster, "large", data, sizeof data), SKEP_OK);
    HIVE_UNTIL(hive, received.count == 2);
    assert_int_equal(skep_child_request(child, "large", data, sizeof data, 0, take_large_reply, &replies), SKEP_OK);
    HIVE_UNTIL(hive, replies.count == 1);
    assert_int_equal(hive_messages(hive, 1, "back"), 1);
    assert_int_equal(hive_messages(hive, 1, "heard"), 1);
    assert_int_equal(received.wrong, 0);
    assert_int_equal(replies.wrong, 0);
}

static void test_one_byte_more(void **state) {
    static char data[LARGEST + 1];
    struct hive *hive = *state;
    struct received replies = {0};
    hive_start(hive, NULL);
    skep_child *child = hive_fork_ready(hive, "too-much", NULL);
    assert_int_equal(skep_child_send(child, "large", data, sizeof data), SKEP_ETOOBIG);
    assert_int_equal(skep_cluster_broadcast(hive->cluster, "large", data, sizeof data), SKEP_ETOOBIG);
    assert_int_equal(skep_child_reply(child, 1, SKEP_OK, data, sizeof data), SKEP_ETOOBIG);
    assert_int_equal(skep_child_request(child, "large", data, sizeof data, 0, take_large_reply, &replies),
                     SKEP_ETOOBIG);
    HIVE_UNTIL(hive, hive_messages(hive, 1, "status") == 9);
    for (size_t i = 0; i < hive->count; i++)
        if (strcmp(hive->log[i].name, "status") == 0) assert_string_equal(hive->log[i].text, "ETOOBIG");
    assert_int_equal(skep_child_send(child, "after", "all", 3), SKEP_OK);
    HIVE_UNTIL(hive, hive_message(hive, 1, "back") != NULL);
    assert_int_equal(replies.count, 0);
    assert_int_equal(hive_count(hive, SKEP_EVENT_ERROR, 0), 0);
}

/* --- what was said before leaving --- */

static void test_last_words_arrive(void **state) {
    struct hive *hive = *state;
    hive_start(hive, NULL);
    for (unsigned i = 0; i < LEAVERS; i++) hive_fork(hive, "speak", NULL);
    hive_run_dry(hive);
    for (uint32_t id = 1; id <= LEAVERS; id++) {
        assert_string_equal(hive_find(hive, SKEP_EVENT_EXIT, id)->reason, "voluntary");
        assert_int_equal(hive_messages(hive, id, "word"), LAST_WORDS);
    }
}

static void test_large_last_words_arrive(void **state) {
    struct hive *hive = *state;
    struct received received = {0};
    hive_start(hive, NULL);
    assert_int_equal(skep_on(hive->cluster, SKEP_EVENT_MESSAGE, take_large, &received), SKEP_OK);
    for (unsigned i = 0; i < LEAVERS; i++) hive_fork(hive, "send-much", NULL);
    hive_run_dry(hive);
    assert_int_equal(received.count, LEAVERS * 4);
    assert_int_equal(received.wrong, 0);
}

int main(void) {
    if (skep_is_worker()) return role_play(roles);
    const struct CMUnitTest tests[] = {
        HIVE_TEST(test_a_worker_sends_more_than_fits),
        HIVE_TEST(test_the_primary_sends_more_than_fits),
        HIVE_TEST(test_the_largest_message),
        HIVE_TEST(test_one_byte_more),
        HIVE_TEST(test_last_words_arrive),
        HIVE_TEST(test_large_last_words_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
