/* SPDX-License-Identifier: MIT
 * Follows the news of a broker without a gap. */
#ifndef SKEP_COMMAND_COMMON_FOLLOW_H
#define SKEP_COMMAND_COMMON_FOLLOW_H

#include <common/news_sequence.h>
#include <transport/news_reader.h>

#include "command/common/contact.h"

/* Called for each event, in order and once; what it points to is borrowed until it returns. */
typedef void event_cb(const struct skep_command_event *event, void *context);

struct follower {
    struct contact *contact;
    skep__news_reader *news;
    event_cb *heard;
    void *context;
    struct skep__news_sequence at;
    bool stopped; /* the broker said that it stops */
};

enum { SILENCE_MS = 500 /* after so long what was missed is asked for */ };

/* Subscribes: no item that comes after this call is missed. What came after at.latest and before is there for
 * follow_catch_up. Errors: those of skep__news_reader_new. */
SKEP_MUST_USE int follow_open(struct follower *follower, struct contact *contact);

/* Subscribes, then asks how everything is: what comes by the news from now on is what happened after that answer, each
 * command of which goes to seen. Errors: those of follow_open and contact_ask. */
SKEP_MUST_USE int follow_begin(struct follower *follower, struct contact *contact, answer_cb *seen, void *context);

/* Unsubscribes, if that has ever begun. */
void follow_close(struct follower *follower);

/* Waits for news and calls back for the events among them; a gap is mended first, and a connection that was cut is made
 * again, as another descriptor. Errors: SKEP_ETIMEDOUT after timeout_ms; SKEP_ECLOSED once the broker has gone;
 * SKEP_EPROTO. */
SKEP_MUST_USE int follow_read(struct follower *follower, unsigned timeout_ms);

/* The same, and after the silence asks for what was missed: nothing was if the broker answers. */
SKEP_MUST_USE int follow_next(struct follower *follower, unsigned silence_ms);

/* Asks for what came after at.latest, and calls back for it. A broker that does not answer either hangs, and will go
 * on, or is gone, which the next question or the news will tell. */
void follow_catch_up(struct follower *follower);

/* Deals with one command of an answer to newsSince that was asked for otherwise. context: the follower */
void follow_take(const struct skep_command *command, void *context);

#endif
