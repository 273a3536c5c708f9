/* SPDX-License-Identifier: MIT
 * The state of messages/. */
#pragma once

#include "journal/journal.h"
#include "messages/messages.h"
#include "worker/worker.h"

enum { SKEP__COUNTED = 256 };

enum skep__handled_what {
#define HANDLED(id, name) SKEP__HANDLED_##id,
#include "messages/handled.def"
    SKEP__HANDLED_WHATS
};

struct skep__handling {
    struct skep_histogram of[SKEP__HANDLED_WHATS];
};

struct skep__counter_total {
    char name[SKEP_MAX_NAME + 1];
    uint64_t count;
};

/* A request of the primary's that a worker has not answered */
struct skep__call_to_child {
    uint64_t request;
    UT_hash_handle hh;
    skep_cluster *cluster;
    uint32_t child;
    skep_child_reply_cb callback;
    void *context;
    struct skep__alarm expiry;
};

struct skep__messages {
    struct skep__call_to_child *calls; /* by request */
    uint64_t next_call;
    uint32_t name_turn; /* id of the worker that got the latest message by its name */

    /* ever */
    uint64_t requests, messages;
    uint64_t unknown;             /* reports of what this version does not know */
    pid_t counted[SKEP__COUNTED]; /* the latest workers that have ended: their pages were counted to the end */
    unsigned counted_next;
    struct skep__counter_total counters[SKEP_MAX_COUNTERS];
    unsigned counter_count;
    bool counters_said; /* an event has reported that there are too many */
    struct skep__handling handling;
};

/* What the room has of a worker */
struct skep__talker {
    uint64_t requests, messages; /* ever */
    uint64_t *counted;           /* its share of each of counters; NULL: it has no share in any */
    struct skep__handling handling;
    uint64_t news_seen; /* it asked for what follows this */
    bool owes_news;     /* and did not get all of it */
};

void skep__handling_free(struct skep__handling *handling);
