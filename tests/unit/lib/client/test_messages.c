/* SPDX-License-Identifier: MIT
 * What a client sends to workers, and what it sees of the broker: status and news. */
#include "lib/client_hive.h"

struct heard {
    unsigned replies, undelivered, statuses, news;
    int status;
    uint64_t latest, lost;
    bool in_order;
    char text[64];
};

/* --- messages --- */

static void on_reply(skep_client *client, int status, const void *data, size_t size_bytes, void *context) {
    struct heard *heard = context;
    (void)client;
    heard->replies++;
    heard->status = status;
    snprintf(heard->text, sizeof heard->text, "%.*s", (int)size_bytes, data != NULL ? (const char *)data : "");
}

static void on_undelivered(skep_client *client, uint32_t worker, const char *name, int status, void *context) {
    struct heard *heard = context;
    (void)client;
    heard->undelivered++;
    heard->status = status;
    snprintf(heard->text, sizeof heard->text, "%u %s", worker, name);
}

static void test_messages(void **state) {
    struct hive hive;
    struct fake *fake;
    begin(&hive, *state);
    fake = hive.fake;
    assert_int_equal(skep_client_send(hive.client, 7, NULL, "hello", "data", 4), SKEP_OK);
    PUMP_UNTIL(hive.pump, fake->messages == 1);
    assert_string_equal(fake->message_name, "hello");
    assert_string_equal(fake->message_data, "data");
    assert_int_equal(fake->message.to, 7);
    assert_false(SKEP_HAS(message, &fake->message, request));
    assert_int_equal(skep_client_send(hive.client, 0, "printer", "hello", NULL, 0), SKEP_OK);
    PUMP_UNTIL(hive.pump, fake->messages == 2);
    assert_string_equal(fake->message_to, "printer");
    assert_int_equal(skep_client_send(hive.client, 0, NULL, "broker", NULL, 0), SKEP_OK);
    PUMP_UNTIL(hive.pump, fake->messages == 3);
    assert_false(SKEP_HAS(message, &fake->message, to) || SKEP_HAS(message, &fake->message, toName));
    assert_int_equal(skep_client_broadcast(hive.client, "all", "x", 1), SKEP_OK);
    PUMP_UNTIL(hive.pump, fake->messages == 4);
    assert_true(fake->message.toAll);
    end(&hive);
}

static void test_bad_messages(void **state) {
    struct hive hive;
    struct heard heard = {0};
    static char large[SKEP_MAX_PAYLOAD + 1];
    unsigned n = 0;
    begin(&hive, *state);
    assert_int_equal(skep_client_send(hive.client, 1, NULL, NULL, "x", 1), SKEP_EINVAL);
    assert_int_equal(skep_client_send(hive.client, 0, "", "x", "x", 1), SKEP_EINVAL);
    assert_int_equal(skep_client_broadcast(hive.client, "x", large, sizeof large), SKEP_ETOOBIG);
    assert_int_equal(skep_client_request(hive.client, 1, NULL, "", "x", 1, 0, on_reply, &heard), SKEP_EINVAL);
    while (skep_client_send(hive.client, 1, NULL, "x", large, SKEP_MAX_PAYLOAD) == SKEP_OK) n++;
    assert_int_equal(n, 4);
    assert_int_equal(skep_client_request(hive.client, 1, NULL, "x", "x", 1, 0, on_reply, &heard), SKEP_EAGAIN);
    PUMP_UNTIL(hive.pump, hive.drained == 1 && hive.fake->messages == n);
    end(&hive);
    assert_int_equal(heard.replies, 0);
}

static void answer_request(struct hive *hive, uint64_t request, int status, const char *data) {
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = {.request = request}};
    if (status != SKEP_OK) SKEP_SET(reply, &command.reply, status, (uint64_t)status);
    if (data != NULL) SKEP_SET(reply, &command.reply, data, fake_bytes(data));
    fake_return(hive->fake, &command);
}

static void test_requests(void **state) {
    struct hive hive;
    struct heard heard = {0};
    begin(&hive, *state);
    assert_int_equal(skep_client_request(hive.client, 0, "w", "add", "1+1", 3, 9000, on_reply, &heard), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.fake->messages == 1);
    assert_int_equal(hive.fake->message.timeout_ms, 9000);
    uint64_t request = hive.fake->message.request;
    answer_request(&hive, request + 1, SKEP_OK, "nobody's");
    answer_request(&hive, request, SKEP_OK, "2");
    answer_request(&hive, request, SKEP_OK, "twice");
    PUMP_UNTIL(hive.pump, heard.replies == 1);
    assert_int_equal(heard.status, SKEP_OK);
    assert_string_equal(heard.text, "2");
    assert_int_equal(skep_client_request(hive.client, 9, NULL, "add", NULL, 0, 0, on_reply, &heard), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.fake->messages == 2);
    answer_request(&hive, hive.fake->message.request, SKEP_ENOWORKER, NULL);
    PUMP_UNTIL(hive.pump, heard.replies == 2);
    assert_int_equal(heard.status, SKEP_ENOWORKER);
    end(&hive);
}

/* Requests that nobody answers: one in vain, one when the broker goes, one when the client does. */
static void test_no_reply(void **state) {
    struct hive hive;
    struct heard heard = {0};
    begin(&hive, *state);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* what the user's handler took is not the question's */
    uint64_t began_ns = uv_hrtime();
    assert_int_equal(skep_client_request(hive.client, 1, NULL, "x", NULL, 0, 20, on_reply, &heard), SKEP_OK);
    PUMP_UNTIL(hive.pump, heard.replies == 1);
    assert_int_equal(heard.status, SKEP_ETIMEDOUT);
    assert_true(uv_hrtime() - began_ns > UINT64_C(18000000));
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    assert_int_equal(skep_client_request(hive.client, 1, NULL, "x", NULL, 0, 60000, on_reply, &heard), SKEP_OK);
    fake_stop(hive.fake);
    PUMP_UNTIL(hive.pump, heard.replies == 2);
    assert_int_equal(heard.status, SKEP_ECLOSED);
    heard.status = SKEP_OK;
    assert_int_equal(skep_client_request(hive.client, 1, NULL, "x", NULL, 0, 60000, on_reply, &heard), SKEP_OK);
    end(&hive);
    assert_int_equal(heard.replies, 3);
    assert_int_equal(heard.status, SKEP_ECLOSED);
}

static void test_undelivered(void **state) {
    struct hive hive;
    struct heard heard = {0};
    begin(&hive, *state);
    PUMP_UNTIL(hive.pump, hive.joined == 1);
    skep_on_client_undelivered(hive.client, on_undelivered, &heard);
    struct skep_command command = {.id = SKEP_COMMAND_undelivered,
                                   .undelivered = {.name = fake_bytes("hello"), .status = SKEP_ENOWORKER}};
    SKEP_SET(undelivered, &command.undelivered, to, 5);
    fake_return(hive.fake, &command);
    PUMP_UNTIL(hive.pump, heard.undelivered == 1);
    assert_int_equal(heard.status, SKEP_ENOWORKER);
    assert_string_equal(heard.text, "5 hello");
    end(&hive);
}

/* --- status --- */

static void on_status(skep_client *client, int status, const skep_broker_info *info, void *context) {
    struct heard *heard = context;
    (void)client;
    heard->statuses++;
    heard->status = status;
    assert_true((info != NULL) == (status == SKEP_OK));
    if (info == NULL) return;
    assert_string_equal(info->name, "fake");
    assert_string_equal(info->state, "running");
    assert_int_equal(info->pid, 4711);
    assert_int_equal(info->restarts, 9);
    assert_int_equal(info->worker_count, 3);
    assert_int_equal(info->workers[2].id, 3);
    assert_int_equal(info->workers[1].pid, 102);
    assert_string_equal(info->workers[1].name, "second");
    assert_string_equal(info->workers[0].name, "");
    assert_string_equal(info->workers[0].state, "ready");
    assert_int_equal(info->queue_count, 2);
    assert_string_equal(info->queues[1].name, "print");
    assert_int_equal(info->queues[1].ready, 6);
    assert_int_equal(info->queues[0].dead, 0);
}

static void test_status(void **state) {
    struct hive hive;
    struct heard heard = {0};
    begin(&hive, *state);
    assert_int_equal(skep_client_status(hive.client, on_status, &heard), SKEP_OK);
    assert_int_equal(skep_client_status(hive.client, on_status, &heard), SKEP_OK);
    PUMP_UNTIL(hive.pump, heard.statuses == 2);
    assert_int_equal(heard.status, SKEP_OK);
    hive.fake->silent_about_status = true;
    assert_int_equal(skep_client_status(hive.client, on_status, &heard), SKEP_OK);
    PUMP_UNTIL(hive.pump, hive.fake->kept_status != NULL);
    fake_stop(hive.fake);
    PUMP_UNTIL(hive.pump, heard.statuses == 3);
    assert_int_equal(heard.status, SKEP_ECLOSED);
    PUMP_UNTIL(hive.pump, hive.lost == 1);
    assert_int_equal(skep_client_status(hive.client, on_status, &heard), SKEP_ECLOSED);
    assert_int_equal(heard.statuses, 3);
    end(&hive);
}

static void test_status_at_the_end(void **state) {
    struct hive hive;
    struct heard heard = {0};
    begin(&hive, *state);
    assert_int_equal(skep_client_status(hive.client, on_status, &heard), SKEP_OK);
    end(&hive);
    assert_int_equal(heard.statuses, 1);
    assert_int_equal(heard.status, SKEP_ECLOSED);
}

/* --- news --- */

static void on_news(skep_client *client, const skep_news *news, void *context) {
    struct heard *heard = context;
    (void)client;
    heard->news++;
    heard->in_order = heard->in_order && (heard->latest == 0 || news->seq == heard->latest + 1 + news->lost);
    heard->latest = news->seq;
    heard->lost += news->lost;
    assert_string_equal(news->event, "broadcast");
    assert_string_equal(news->name, "item");
    assert_int_equal(news->worker, 3);
}

/* The watch stands when what is published is heard. */
static void watch(struct hive *hive, struct heard *heard) {
    hive->fake->news_seq = 10; /* of before */
    assert_int_equal(skep_client_watch(hive->client, on_news, heard), SKEP_OK);
    PUMP_UNTIL(hive->pump, hive->fake->news_asked > 0);
    pump_turns(hive->pump, 1);
    fake_publish(hive->fake, false);
    PUMP_UNTIL(hive->pump, heard->news == 1);
    assert_int_equal(heard->latest, 11);
}

static void test_watching(void **state) {
    struct hive hive;
    struct heard heard = {.in_order = true};
    begin(&hive, *state);
    watch(&hive, &heard);
    fake_publish(hive.fake, true);
    fake_publish(hive.fake, true);
    fake_publish(hive.fake, false); /* shows the gap */
    PUMP_UNTIL(hive.pump, heard.latest == 14);
    fake_publish(hive.fake, true); /* nothing shows this one but the silence */
    PUMP_UNTIL(hive.pump, heard.latest == 15);
    assert_int_equal(heard.news, 5);
    assert_true(heard.in_order);
    assert_int_equal(heard.lost, 0);
    assert_int_equal(skep_client_watch(hive.client, NULL, NULL), SKEP_OK);
    pump_turns(hive.pump, 2);
    unsigned asked = hive.fake->news_asked;
    fake_publish(hive.fake, false);
    submit(&hive, 1, 1, NULL);
    PUMP_UNTIL(hive.pump, hive.answered == 1);
    assert_int_equal(heard.news, 5);
    assert_int_equal(hive.fake->news_asked, asked);
    end(&hive);
}

/* What the broker has no longer is counted: items in a row, and those at the end. */
static void test_lost_news(void **state) {
    struct hive hive;
    struct heard heard = {.in_order = true};
    begin(&hive, *state);
    watch(&hive, &heard);
    hive.fake->news_seq += 5;
    hive.fake->news_lost_through = 13;
    fake_publish(hive.fake, false);
    PUMP_UNTIL(hive.pump, heard.latest == 17);
    assert_int_equal(heard.lost, 2);
    hive.fake->news_seq += 3;
    hive.fake->news_lost_through = 20;
    unsigned asked = hive.fake->news_asked;
    PUMP_UNTIL(hive.pump, hive.fake->news_asked > asked);
    pump_turns(hive.pump, 2);
    fake_publish(hive.fake, true);
    PUMP_UNTIL(hive.pump, heard.latest == 21);
    assert_int_equal(heard.lost, 5);
    assert_true(heard.in_order);
    end(&hive);
}

/* The next broker's news are heard from their beginning. */
static void test_news_of_the_next_broker(void **state) {
    struct hive hive;
    struct heard heard = {.in_order = true};
    begin(&hive, *state);
    watch(&hive, &heard);
    fake_stop(hive.fake);
    PUMP_UNTIL(hive.pump, hive.lost == 1);
    heard.latest = 0;
    fake_start(hive.fake);
    fake_publish(hive.fake, true);
    fake_publish(hive.fake, true);
    PUMP_UNTIL(hive.pump, heard.latest == 2);
    assert_int_equal(heard.news, 3);
    assert_true(heard.in_order);
    end(&hive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_messages),          PUMP_TEST(test_bad_messages),
        PUMP_TEST(test_requests),          PUMP_TEST(test_no_reply),
        PUMP_TEST(test_undelivered),       PUMP_TEST(test_status),
        PUMP_TEST(test_status_at_the_end), PUMP_TEST(test_watching),
        PUMP_TEST(test_lost_news),         PUMP_TEST(test_news_of_the_next_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
