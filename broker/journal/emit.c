/* SPDX-License-Identifier: MIT
 * Events are told: to the user's callbacks and to the news. */
#include <stdarg.h>
#include <unistd.h>

#include "common/container.h"
#include "journal/private.h"

enum { SAY_MS = 1000 };

/* Not while one of the list may be calling back. */
static void free_removed(const skep_cluster *cluster, struct skep__subscribers *subscribers) {
    struct skep__subscriber *next;
    if (cluster->journal->telling > 0) return;
    for (struct skep__subscriber *s = STAILQ_FIRST(subscribers); s != NULL; s = next) {
        next = STAILQ_NEXT(s, entry);
        if (!s->removed) continue;
        STAILQ_REMOVE(subscribers, s, skep__subscriber, entry);
        free(s);
    }
}

/* Those that were added up to a number; callbacks may add and remove others. */
static void call_all(skep_cluster *cluster, struct skep__subscribers *subscribers, const skep_event *event,
                     uint64_t through) {
    struct skep__subscriber *s;
    cluster->journal->telling++;
    STAILQ_FOREACH(s, subscribers, entry) {
        if (s->kind != event->kind || s->removed || s->number > through) continue;
        s->removed = s->once;
        s->callback(cluster, event, s->context);
    }
    cluster->journal->telling--;
    free_removed(cluster, subscribers);
}

/* As in Node: a worker's own listeners first, except for messages. */
static void call_back(skep_cluster *cluster, const skep_event *event) {
    struct skep__journal *journal = cluster->journal;
    uint64_t through = journal->subscriptions;
    bool cluster_first = event->kind == SKEP_EVENT_MESSAGE;
    if (journal->stopped) return;
    if (cluster_first) call_all(cluster, &journal->subscribers, event, through);
    if (event->child != NULL) call_all(cluster, &event->child->subject->subscribers, event, through);
    if (!cluster_first) call_all(cluster, &journal->subscribers, event, through);
}

static void emit_now(skep_cluster *cluster, const skep_event *event) {
    if (event->kind != SKEP_EVENT_MESSAGE) skep__news_event(cluster, event);
    call_back(cluster, event);
}

void skep__emit_due(skep_cluster *cluster) {
    for (struct skep__due_event *due; (due = skep__events_take(cluster->journal)) != NULL;) {
        emit_now(cluster, &due->event);
        free(due);
    }
}

void skep__events_flush(struct skep__flush *flush) {
    skep__emit_due(SKEP_CONTAINER(flush, struct skep__journal, due_flush)->cluster);
}

void skep__emit(skep_cluster *cluster, const skep_event *event) {
    skep__emit_due(cluster);
    emit_now(cluster, event);
}

void skep__emit_reason(skep_cluster *cluster, enum skep_event_kind kind, skep_child *child, const char *reason) {
    skep_event event = skep__event(kind, child);
    event.reason = reason;
    skep__emit(cluster, &event);
}

void skep__emit_error(skep_cluster *cluster, skep_child *child, const char *format, ...) {
    char reason[SKEP_MAX_REASON + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    skep__emit_reason(cluster, SKEP_EVENT_ERROR, child, reason);
}

bool skep__may_say(const skep_cluster *cluster, uint64_t *said_ms) {
    return skep__may_tell(uv_now(cluster->loop), SAY_MS, said_ms);
}

void skep__emit_dead(skep_cluster *cluster, const char *text) {
    skep__emit_reason(cluster, SKEP_EVENT_DEAD, NULL, text);
}

void skep__events_stop(skep_cluster *cluster) {
    if (cluster->journal != NULL) cluster->journal->stopped = true;
}

static bool has_kind(const struct skep__subscribers *subscribers, enum skep_event_kind kind) {
    const struct skep__subscriber *s;
    STAILQ_FOREACH(s, subscribers, entry) if (s->kind == kind && !s->removed) return true;
    return false;
}

bool skep__has_message_handler(const skep_cluster *cluster, const skep_child *child) {
    return has_kind(&cluster->journal->subscribers, SKEP_EVENT_MESSAGE) ||
           has_kind(&child->subject->subscribers, SKEP_EVENT_MESSAGE);
}

/* Of the cluster, or of a worker. */
static struct skep__subscribers *subscribers_of(const skep_cluster *cluster, const skep_child *child) {
    return child != NULL ? &child->subject->subscribers : &cluster->journal->subscribers;
}

static int subscribe(skep_cluster *cluster, const skep_child *child, enum skep_event_kind kind, skep_event_cb callback,
                     void *context, bool once) {
    struct skep__subscribers *subscribers = subscribers_of(cluster, child);
    if ((unsigned)kind >= SKEP_EVENT_KINDS || callback == NULL) return SKEP_EINVAL;
    struct skep__subscriber *s = malloc(sizeof *s);
    if (s == NULL) return SKEP_ENOMEM;
    *s = (struct skep__subscriber){.kind = kind, .callback = callback, .context = context, .once = once};
    s->number = ++cluster->journal->subscriptions;
    free_removed(cluster, subscribers);
    STAILQ_INSERT_TAIL(subscribers, s, entry);
    return SKEP_OK;
}

static bool unsubscribe(const skep_cluster *cluster, const skep_child *child, enum skep_event_kind kind,
                        skep_event_cb callback, void *context) {
    struct skep__subscribers *subscribers = subscribers_of(cluster, child);
    struct skep__subscriber *s, *last = NULL;
    STAILQ_FOREACH(s, subscribers, entry) {
        bool same = s->kind == kind && s->callback == callback && s->context == context;
        if (same && !s->removed) last = s;
    }
    if (last == NULL) return false;
    last->removed = true;
    free_removed(cluster, subscribers);
    return true;
}

int skep_on(skep_cluster *cluster, enum skep_event_kind kind, skep_event_cb callback, void *context) {
    return subscribe(cluster, NULL, kind, callback, context, false);
}

int skep_child_on(skep_child *child, enum skep_event_kind kind, skep_event_cb callback, void *context) {
    return subscribe(child->cluster, child, kind, callback, context, false);
}

int skep_once(skep_cluster *cluster, enum skep_event_kind kind, skep_event_cb callback, void *context) {
    return subscribe(cluster, NULL, kind, callback, context, true);
}

int skep_child_once(skep_child *child, enum skep_event_kind kind, skep_event_cb callback, void *context) {
    return subscribe(child->cluster, child, kind, callback, context, true);
}

bool skep_off(skep_cluster *cluster, enum skep_event_kind kind, skep_event_cb callback, void *context) {
    return unsubscribe(cluster, NULL, kind, callback, context);
}

bool skep_child_off(skep_child *child, enum skep_event_kind kind, skep_event_cb callback, void *context) {
    return unsubscribe(child->cluster, child, kind, callback, context);
}

void skep__subscribers_free(struct skep__subscribers *subscribers) {
    for (struct skep__subscriber *s; (s = STAILQ_FIRST(subscribers)) != NULL;) {
        STAILQ_REMOVE_HEAD(subscribers, entry);
        free(s);
    }
}

/* --- processes that cannot connect --- */

void skep__peer_refused(void *context, pid_t pid, uid_t uid) {
    skep_cluster *cluster = context;
    skep__emit_error(cluster, NULL, "refused process %d of user %u: only user %u may connect", (int)pid, uid,
                     geteuid());
}

void skep__peers_starved(void *context) {
    skep__lack_say(context, SKEP__LACK_PEERS,
                   "out of descriptors; workers, clients and commands connect when some are free");
}
