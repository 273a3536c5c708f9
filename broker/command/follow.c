/* SPDX-License-Identifier: MIT
 * Follows the news of a broker.
 *
 * The news may drop items. They are numbered, so a gap shows when the next item comes; and since none may come, what
 * was missed is asked for after every silence too. */
#include "follow.h"

#include <string.h>

enum { REPAIR_TIMEOUT_MS = 1000 };

struct beginning {
    struct follower *follower;
    answer_cb *seen;
    void *context;
};

/* 0 for what is no item of news */
static uint64_t number_of(const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_event: return command->event.seq;
    case SKEP_COMMAND_broadcast: return command->broadcast.seq;
    case SKEP_COMMAND_totals: return command->totals.seq;
    default: return 0;
    }
}

static bool is_stop(const struct skep_command_event *event) {
    return event->event.size_bytes == 4 && memcmp(event->event.data, "stop", 4) == 0;
}

/* An item that is the next one, or follows items that are lost for good. */
static void take(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    uint64_t number = number_of(command);
    if (number <= follower->latest) return;
    follower->latest = number;
    if (command->id != SKEP_COMMAND_event) return;
    if (is_stop(&command->event)) follower->stopped = true;
    follower->heard(&command->event, follower->context);
}

static void take_again(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    take(command, context);
    if (command->id != SKEP_COMMAND_newsEnd) return;
    if (SKEP_HAS(newsEnd, &command->newsEnd, lost)) follower->lost += command->newsEnd.lost;
    if (command->newsEnd.seq > follower->latest) follower->latest = command->newsEnd.seq;
}

/* A broker that does not answer either hangs, and will go on, or is gone, which the news will tell. */
static void repair(struct follower *follower) {
    struct skep_command question = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = follower->latest}};
    int status = contact_ask(follower->contact, &question, REPAIR_TIMEOUT_MS, take_again, follower);
    (void)status;
}

static void on_item(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    if (number_of(command) > follower->latest + 1) repair(follower);
    take(command, context);
}

static void on_status(const struct skep_command *command, void *context) {
    struct beginning *beginning = context;
    if (command->id == SKEP_COMMAND_brokerStatus) beginning->follower->latest = command->brokerStatus.newsSeq;
    beginning->seen(command, beginning->context);
}

/* First the subscription, then the number: so nothing falls between the two. */
int follow_begin(struct follower *follower, struct contact *contact, answer_cb *seen, void *context) {
    struct beginning beginning = {.follower = follower, .seen = seen, .context = context};
    struct skep_command question = {.id = SKEP_COMMAND_status};
    char url[SKEP_MAX_URL + 1];
    skep__instance_url(&contact->instance, SKEP_FILE_NEWS, url, sizeof url);
    follower->contact = contact;
    int status = skep__news_reader_new(&follower->news, url);
    if (status != SKEP_OK) return status;
    return contact_ask(contact, &question, ANSWER_TIMEOUT_MS, on_status, &beginning);
}

int follow_next(struct follower *follower, unsigned silence_ms) {
    int status = skep__news_read(follower->news, silence_ms, on_item, follower);
    if (status == SKEP_ETIMEDOUT) repair(follower);
    return status;
}
