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

/* True if those before it are to be asked for. */
static bool take_item(struct follower *follower, const struct skep_command *command, bool answered) {
    uint64_t number = skep__news_number(command);
    enum skep__news_place place = number > 0 ? skep__news_item(&follower->at, number, answered) : SKEP__NEWS_OLD;
    if (place != SKEP__NEWS_NEXT || command->id != SKEP_COMMAND_event) return place == SKEP__NEWS_EARLY;
    if (skep__text_is(command->event.event, "stop")) follower->stopped = true;
    follower->heard(&command->event, follower->context);
    return false;
}

void follow_take(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    if (command->id == SKEP_COMMAND_newsEnd) skep__news_end(&follower->at, &command->newsEnd);
    else take_item(follower, command, true);
}

static int ask_again(struct follower *follower) {
    struct skep_command question = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = follower->at.latest}};
    return contact_ask(follower->contact, &question, REPAIR_TIMEOUT_MS, follow_take, follower);
}

void follow_catch_up(struct follower *follower) {
    if (ask_again(follower) != SKEP_OK) return; /* there will be another time */
}

/* What an answer did not have is lost, and so is all that is missing where nobody is to be asked. If there is only no
 * answer yet, that and this item are asked for later. */
static void on_item(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    if (take_item(follower, command, false) && ask_again(follower) != SKEP_ETIMEDOUT)
        take_item(follower, command, true);
}

static void on_status(const struct skep_command *command, void *context) {
    struct beginning *beginning = context;
    if (command->id == SKEP_COMMAND_brokerStatus) beginning->follower->at.latest = command->brokerStatus.newsSeq;
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
