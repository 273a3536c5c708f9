/* SPDX-License-Identifier: MIT
 * The state of the connection, and what its files share. What is below lock is for all threads. */
#ifndef SKEP_NATS_LINK_PRIVATE_H
#define SKEP_NATS_LINK_PRIVATE_H

#include <nats/nats.h>
#include <pthread.h>
#include <sys/queue.h>

#include "nats_link/nats_link.h"

enum {
    SKEP__NATS_WAITING_BYTES = 64 * 1024 * 1024, /* of messages that wait to be sent */
    SKEP__NATS_MESSAGE_BYTES = 256               /* what one costs besides its payload, about */
};

struct skep__nats_subscription {
    SLIST_ENTRY(skep__nats_subscription) entry;
    struct skep__nats *nats;
    char *subject, *group;          /* group: NULL: none */
    natsSubscription *subscription; /* NULL: there is no connection that has it */
    void (*received)(void *context, const struct skep__nats_received *received);
    void *context;
};

/* A message, and what it came by */
struct skep__nats_item {
    const struct skep__nats_subscription *by;
    natsMsg *message;
};

struct skep__nats_items {
    struct skep__nats_item *items;
    size_t count, capacity;
};

/* A question that is not answered yet */
struct skep__nats_asked {
    TAILQ_ENTRY(skep__nats_asked) entry;
    uint64_t number, end_ms;
    void (*answered)(void *context, int status, const struct skep__nats_received *answer);
    void *context;
};
TAILQ_HEAD(skep__nats_questions, skep__nats_asked);

struct skep__nats {
    uv_loop_t *loop;
    uv_async_t woken;
    uv_timer_t late; /* runs while there are questions */
    unsigned open_handles;
    struct skep__flusher *flusher;
    struct skep__flush flush;
    const struct skep__nats_events *events;
    void *context;
    natsOptions *options; /* of each connection */
    char inbox[64];
    size_t most_bytes;
    SLIST_HEAD(, skep__nats_subscription) subscriptions;
    struct skep__nats_questions questions;
    uint64_t last_question;
    struct skep__nats_items gathered; /* to be sent at the end of this turn */
    size_t gathered_bytes;
    pthread_t sender;
    bool sends; /* it has been started */

    pthread_mutex_t lock;
    pthread_cond_t changed;           /* for the sender, and for who closes */
    struct skep__nats_items outgoing; /* handed to the sender */
    size_t waiting_bytes;             /* of outgoing, and of what the sender has */
    struct skep__nats_items incoming;
    natsConnection *connection; /* assigned by the sender; of use to the loop until the loop has freed it */
    natsConnection *retired;    /* the one before, which the loop frees; NULL: there is none */
    bool connected, closing;
    bool closed;                 /* the library has given the connection up */
    unsigned live_subscriptions; /* of which the library may still call */
    bool told_connected;         /* what the events said last */
    bool was_lost;               /* since then, even if it is connected again */
    bool was_closed;             /* the same */
    char why[SKEP_MAX_REASON + 1];
};

/* --- items.c --- */

/* False: no memory. */
bool skep__nats_items_add(struct skep__nats_items *items, const struct skep__nats_subscription *by, natsMsg *message);

/* Moves all of them behind others. False: no memory. */
bool skep__nats_items_move(struct skep__nats_items *to, struct skep__nats_items *from);

/* Destroys the messages. */
void skep__nats_items_free(struct skep__nats_items *items);

/* --- setup.c --- */

/* Options for a connection. Errors: those of skep__nats_open; why is filled in. */
SKEP_MUST_USE int skep__nats_options(natsOptions **options, const struct skep__nats_setup *setup,
                                     char why[SKEP_MAX_REASON + 1]);

/* A status of the library's. */
int skep__nats_translate(natsStatus status);

/* --- send.c --- */

/* The thread that publishes what waits. Errors: SKEP_ENPROC. */
SKEP_MUST_USE int skep__nats_sender_start(struct skep__nats *nats);

/* Waits until it has sent what it can, and has closed the connection. */
void skep__nats_sender_end(struct skep__nats *nats);

/* --- reopen.c --- */

/* On the sender's thread, with the lock: tries to make a new connection in place of one that was given up, and to have
 * its subscriptions; if that fails, waits for a moment. */
void skep__nats_reopen(struct skep__nats *nats);

/* --- receive.c --- */

/* On the loop: frees the connection before. */
void skep__nats_free_retired(struct skep__nats *nats);

/* With the lock: has the connection send what it names. */
natsStatus skep__nats_renew(struct skep__nats_subscription *by);

/* The loop was woken: passes on what came. */
void skep__nats_receive(uv_async_t *woken);

/* Waits until the library calls for no subscription any more, and frees them. */
void skep__nats_subscriptions_free(struct skep__nats *nats);

/* --- request.c --- */

/* Answers are listened for. Errors: those of skep__nats_subscribe. */
SKEP_MUST_USE int skep__nats_questions_open(struct skep__nats *nats);
void skep__nats_questions_free(struct skep__nats *nats);

#endif
