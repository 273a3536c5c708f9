/* SPDX-License-Identifier: MIT
 * Connections handed to a worker, until it has taken them: the broker keeps their descriptors. What a worker refuses,
 * or has not taken when its link ends, goes to others. */
#include "connections/private.h"

enum { SAY_MS = 10000 /* between lines about one worker's refusing */ };

static void settle(skep_child *child) {
    child->taker->untaken_count--;
    child->cluster->connections->in_flight--;
}

void skep__taken(skep_child *child, const struct skep_command_taken *taken) {
    struct skep__taker *taker = child->taker;
    struct skep__connections *connections = child->cluster->connections;
    bool was_full = connections->in_flight >= connections->max_in_flight;
    struct skep__connection *c;
    while ((c = STAILQ_FIRST(&taker->untaken)) != NULL && c != taker->unsent && c->number <= taken->through) {
        STAILQ_REMOVE_HEAD(&taker->untaken, entry);
        settle(child);
        taker->live++;
        skep__connection_drop(c);
    }
    taker->accepted += taken->accepted;
    connections->accepted += taken->accepted;
    taker->live += taken->accepted;
    taker->live -= taken->finished < taker->live ? taken->finished : taker->live;
    skep__dispatch_update(child);
    if (!was_full) return;
    /* The bound on connections in flight holds for all listeners, not only for those of this worker. */
    struct skep__listener *listener;
    LIST_FOREACH(listener, &connections->listeners, entry) skep__listener_resume(listener);
}

/* A connection that came back goes to another worker. */
static void hand_on(struct skep__connection *c) {
    c->listener->cluster->connections->redispatched++;
    skep__trace(c->listener->cluster->trace, SKEP__TRACE_LEDGER, "connection fd %d: handed on", c->fd);
    skep__listener_give_back(c->listener, c);
}

static void say_refusing(skep_child *child) {
    if (!skep__may_tell(uv_now(child->cluster->loop), SAY_MS, &child->taker->refused_said_ms)) return;
    skep__emit_error(child->cluster, child, "it has no descriptors or memory for more connections; they go to others");
}

void skep__refused(skep_child *child, uint64_t number) {
    struct skep__taker *taker = child->taker;
    struct skep__connection *c;
    STAILQ_FOREACH(c, &taker->untaken, entry) if (c->number == number) break;
    if (number == 0) say_refusing(child);
    if (c == NULL || c == taker->unsent) return;
    if (skep__seat_find(c->listener, child) != NULL) say_refusing(child); /* else it has given the listener back */
    STAILQ_REMOVE(&taker->untaken, c, skep__connection, entry);
    settle(child);
    taker->refusing = true; /* so that it does not get the same connection at once */
    skep__lack_retry_soon(child->cluster);
    skep__dispatch_update(child);
    hand_on(c);
}

void skep__give_back(skep_child *child) {
    struct skep__taker *taker = child->taker;
    struct skep__connection_list all = STAILQ_HEAD_INITIALIZER(all);
    skep__send_stop(child);
    STAILQ_CONCAT(&all, &taker->untaken);
    for (struct skep__connection *c; (c = STAILQ_FIRST(&all)) != NULL;) {
        STAILQ_REMOVE_HEAD(&all, entry);
        settle(child);
        hand_on(c);
    }
}
