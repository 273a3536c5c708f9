/* SPDX-License-Identifier: MIT
 * Follows the news of a broker without a gap. */
#ifndef SKEP_COMMAND_FOLLOW_H
#define SKEP_COMMAND_FOLLOW_H

#include <news_reader.h>

#include "contact.h"

/* Called for each event, in order and once; what it points to is borrowed until it returns. */
typedef void event_cb(const struct skep_command_event *event, void *context);

struct follower {
    struct contact *contact;
    skep__news_reader *news;
    event_cb *heard;
    void *context;
    uint64_t latest; /* number of the latest item that was dealt with */
    uint64_t lost;   /* items that could not be had again */
    bool stopped;    /* the broker said that it stops */
};

enum { SILENCE_MS = 500 /* after so long what was missed is asked for */ };

/* Subscribes, then asks how everything is: what comes by the news from now on is what happened after that answer, each
 * command of which goes to seen. Errors: those of skep__news_reader_new and contact_ask. */
SKEP_MUST_USE int follow_begin(struct follower *follower, struct contact *contact, answer_cb *seen, void *context);

/* Waits for news and calls back for the events among them. Errors: SKEP_ETIMEDOUT after a silence, in which nothing was
 * missed if the broker answers; SKEP_ECLOSED once the broker has gone; SKEP_EPROTO. */
SKEP_MUST_USE int follow_next(struct follower *follower, unsigned silence_ms);

#endif
