/* SPDX-License-Identifier: MIT
 * Follows the news of a broker.
 *
 * The news may drop items. They are numbered, so a gap shows when the next item comes; and since none may come, what
 * was missed is asked for after every silence too. */
#include "command/common/follow.h"

#include "common/text.h"

enum { REPAIR_TIMEOUT_MS = 1000 };

struct beginning {
    struct follower *follower;
    answer_cb *seen;
    void *context;
};

uint64_t follow_number(const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_event: return command->event.seq;
    case SKEP_COMMAND_broadcast: return command->broadcast.seq;
    case SKEP_COMMAND_totals: return command->totals.seq;
    default: return 0;
    }
}

/* An item that is the next one, or follows items that are lost for good. */
static void take(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    uint64_t number = follow_number(command);
    if (number <= follower->latest) return;
    follower->latest = number;
    if (command->id != SKEP_COMMAND_event) return;
    if (skep__text_is(command->event.event, "stop")) follower->stopped = true;
    follower->heard(&command->event, follower->context);
}

void follow_take(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    take(command, context);
    if (command->id != SKEP_COMMAND_newsEnd) return;
    if (SKEP_HAS(newsEnd, &command->newsEnd, lost)) follower->lost += command->newsEnd.lost;
    if (command->newsEnd.seq > follower->latest) follower->latest = command->newsEnd.seq;
}

void follow_catch_up(struct follower *follower) {
    struct skep_command question = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = follower->latest}};
    int status = contact_ask(follower->contact, &question, REPAIR_TIMEOUT_MS, follow_take, follower);
    (void)status;
}

static void on_item(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    if (follow_number(command) > follower->latest + 1) follow_catch_up(follower);
    take(command, context);
}

static void on_status(const struct skep_command *command, void *context) {
    struct beginning *beginning = context;
    if (command->id == SKEP_COMMAND_brokerStatus) beginning->follower->latest = command->brokerStatus.newsSeq;
    beginning->seen(command, beginning->context);
}

int follow_open(struct follower *follower, struct contact *contact) {
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&contact->instance, SKEP_FILE_NEWS, url, sizeof url);
    follower->contact = contact;
    return skep__news_reader_new(&follower->news, url);
}

/* First the subscription, then the number: so nothing falls between the two. */
int follow_begin(struct follower *follower, struct contact *contact, answer_cb *seen, void *context) {
    struct beginning beginning = {.follower = follower, .seen = seen, .context = context};
    struct skep_command question = {.id = SKEP_COMMAND_status};
    int status = follow_open(follower, contact);
    return status == SKEP_OK ? contact_ask(contact, &question, ANSWER_TIMEOUT_MS, on_status, &beginning) : status;
}

void follow_close(struct follower *follower) {
    skep__news_reader_free(&follower->news);
}

/* The broker is there and the connection has ended, so it was cut: what was lost with it is a gap like any other. */
static int subscribe_again(struct follower *follower) {
    skep__news_reader *cut = follower->news;
    int status = follow_open(follower, follower->contact);
    if (status != SKEP_OK) return status;
    skep__news_reader_free(&cut);
    follow_catch_up(follower);
    return SKEP_OK;
}

int follow_read(struct follower *follower, unsigned timeout_ms) {
    int status = skep__news_read(follower->news, timeout_ms, on_item, follower);
    bool is_cut = status == SKEP_ECLOSED && !follower->stopped && contact_is_there(follower->contact);
    return is_cut ? subscribe_again(follower) : status;
}

int follow_next(struct follower *follower, unsigned silence_ms) {
    int status = follow_read(follower, silence_ms);
    if (status == SKEP_ETIMEDOUT) follow_catch_up(follower);
    return status;
}
