/* SPDX-License-Identifier: MIT
 * Watching the news: each item once, in order. The news may drop items: a gap shows by the numbers when the next item
 * comes, and since none may come, what was missed is asked for after a silence too. */
#include "client/private.h"
#include "common/text.h"

enum {
    QUIET_TICKS = 3, /* of 200 ms, without an item */
    REPAIR_TIMEOUT_MS = 1000
};

static void ask_again(skep_client *client);

/* Items that come before it is known where to begin are of the past. */
static bool is_next(skep_client *client, uint64_t seq, bool answered) {
    struct skep__news_sequence *sequence = &client->news_sequence;
    client->quiet_ticks = 0;
    if (!client->news_known && seq > sequence->seen) sequence->seen = seq;
    if (!client->news_known) return false;
    enum skep__news_place place = skep__news_item(sequence, seq, answered);
    if (place == SKEP__NEWS_EARLY) ask_again(client);
    return place == SKEP__NEWS_NEXT;
}

static void tell(skep_client *client, skep_news *news, uint64_t seq) {
    news->seq = seq;
    news->lost = client->news_sequence.lost;
    client->news_sequence.lost = 0;
    if (client->on_news != NULL) client->on_news(client, news, client->on_news_context);
}

static void event_heard(skep_client *client, const struct skep_command_event *e) {
    char event[SKEP_MAX_NAME + 1], reason[SKEP_MAX_REASON + 1], url[SKEP_MAX_URL + 1];
    skep__copy_text(event, sizeof event, &e->event);
    skep__copy_text(reason, sizeof reason, &e->reason);
    skep__copy_text(url, sizeof url, &e->url);
    skep_news news = {.time_ms = e->time,
                      .event = event,
                      .worker = (uint32_t)e->worker,
                      .pid = (int32_t)e->pid,
                      .code = SKEP_HAS(event, e, code) ? (int)e->code : -1,
                      .signal = SKEP_HAS(event, e, signal) ? (int)e->signal : -1,
                      .reason = reason,
                      .url = url,
                      .name = ""};
    tell(client, &news, e->seq);
}

static void broadcast_heard(skep_client *client, const struct skep_command_broadcast *b) {
    char name[SKEP_MAX_NAME + 1];
    skep__copy_text(name, sizeof name, &b->name);
    skep_news news = {.event = "broadcast",
                      .worker = (uint32_t)b->from,
                      .code = -1,
                      .signal = -1,
                      .reason = "",
                      .url = "",
                      .name = name,
                      .data = b->data.data,
                      .size_bytes = b->data.size_bytes};
    tell(client, &news, b->seq);
}

/* At the beginning of watching no items before are wanted. */
static void repair_ended(skep_client *client, const struct skep_command_newsEnd *end) {
    if (!client->news_known) client->news_sequence.latest = end->seq;
    client->news_known = true;
    skep__news_end(&client->news_sequence, end);
}

static void item_heard(skep_client *client, const struct skep_command *command, bool answered) {
    skep_news totals = {.event = "totals", .code = -1, .signal = -1, .reason = "", .url = "", .name = ""};
    uint64_t seq = skep__news_number(command);
    if (command->id == SKEP_COMMAND_newsEnd) repair_ended(client, &command->newsEnd);
    if (seq == 0 || !is_next(client, seq, answered)) return;
    if (command->id == SKEP_COMMAND_event) event_heard(client, &command->event);
    else if (command->id == SKEP_COMMAND_broadcast) broadcast_heard(client, &command->broadcast);
    else tell(client, &totals, seq);
}

static void take_again(void *context, const struct skep_command *command) {
    item_heard(context, command, true);
}

/* A question that fails is asked again after a silence. */
static void answered_again(int status, const void *data, size_t size_bytes, void *context) {
    skep_client *client = context;
    client->repairing = false;
    if (client->news == NULL || status != SKEP_OK) return;
    status = skep__client_read_answer(client, data, size_bytes, take_again, client);
    if (status == SKEP_OK && client->news_sequence.seen > client->news_sequence.latest)
        ask_again(client); /* items overtook the answer */
}

/* To begin watching, ask with a number of the future: the answer is the number of the latest item. */
static void ask_again(skep_client *client) {
    struct skep_command command = {
        .id = SKEP_COMMAND_newsSince,
        .newsSince = {.seq = client->news_known ? client->news_sequence.latest : UINT64_MAX}};
    if (client->repairing) return;
    client->repairing = skep__client_ask(client, &command, REPAIR_TIMEOUT_MS, answered_again, client) == SKEP_OK;
}

static int take_published(void *context, const struct skep_command *command) {
    item_heard(context, command, false);
    return SKEP_OK;
}

static void news_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer) {
    skep_client *client = context;
    (void)peer;
    int status = skep__reader_read(&client->news_reader, data, size_bytes, take_published, client);
    if (status != SKEP_OK)
        skep__client_fail(client, status, "%s: malformed news from the broker: %s", client->instance.dir,
                          client->news_reader.why);
}

int skep__client_begin_news(skep_client *client) {
    static const struct skep__port_events events = {.received = news_received};
    int status = skep__port_new(&client->news, client->hub, SKEP__PORT_SUB, &events, client);
    if (status == SKEP_OK) status = skep__port_dial_soon(client->news, client->news_url);
    if (status != SKEP_OK) {
        skep__port_free(&client->news);
        return status;
    }
    client->news_sequence.seen = client->news_sequence.latest;
    ask_again(client);
    return SKEP_OK;
}

void skep__client_end_news(skep_client *client) {
    skep__port_free(&client->news);
}

void skep__client_forget_news(skep_client *client) {
    client->news_sequence = (struct skep__news_sequence){0};
    client->news_known = true;
}

void skep__client_news_tick(skep_client *client) {
    if (client->news != NULL && ++client->quiet_ticks >= QUIET_TICKS) ask_again(client);
}

int skep_client_watch(skep_client *client, skep_news_cb callback, void *context) {
    int status = SKEP_OK;
    bool begins = client->on_news == NULL && callback != NULL;
    if (begins) {
        skep__client_forget_news(client);
        client->news_known = false; /* from now on */
        skep__client_end_news(client);
        if (client->phase == SKEP__CLIENT_JOINED) status = skep__client_begin_news(client);
    }
    if (status != SKEP_OK)
        return skep__client_fail(client, status, "%s: cannot watch: %s", client->news_url, skep_strerror(status));
    client->on_news = callback;
    client->on_news_context = context;
    skep__client_mark(client); /* which ends the news: this may be one of their callbacks */
    return SKEP_OK;
}
