/* SPDX-License-Identifier: MIT
 * Events: their kinds by name, and those that are due on the next turn. */
#include "journal/private.h"

static const char *const names[SKEP_EVENT_KINDS] = {
    [SKEP_EVENT_SETUP] = "setup",     [SKEP_EVENT_FORK] = "fork",
    [SKEP_EVENT_ONLINE] = "online",   [SKEP_EVENT_LISTENING] = "listening",
    [SKEP_EVENT_READY] = "ready",     [SKEP_EVENT_MESSAGE] = "message",
    [SKEP_EVENT_DRAIN] = "drain",     [SKEP_EVENT_DISCONNECT] = "disconnect",
    [SKEP_EVENT_EXIT] = "exit",       [SKEP_EVENT_ERROR] = "error",
    [SKEP_EVENT_STOP] = "stop",       [SKEP_EVENT_DEAD] = "dead",
    [SKEP_EVENT_SCALE] = "scale",     [SKEP_EVENT_RELOAD] = "reload",
    [SKEP_EVENT_BREAKER] = "breaker", [SKEP_EVENT_PAUSE] = "pause",
    [SKEP_EVENT_RESUME] = "resume",   [SKEP_EVENT_SIGNAL] = "signal",
};

const char *skep_event_name(enum skep_event_kind kind) {
    return (unsigned)kind < SKEP_EVENT_KINDS ? names[kind] : "?";
}

skep_event skep__event(enum skep_event_kind kind, skep_child *child) {
    return (skep_event){.kind = kind,
                        .child = child,
                        .group = child != NULL ? child->terms->name : NULL,
                        .code = -1,
                        .signal = -1,
                        .delay_ms = -1,
                        .fd = -1,
                        .address_type = -1};
}

/* --- those that are due --- */

/* Copies a text; NULL stays NULL. */
static const char *copy(char *to, size_t capacity_bytes, const char *from) {
    if (from == NULL) return NULL;
    snprintf(to, capacity_bytes, "%s", from);
    return to;
}

void skep__emit_later(skep_cluster *cluster, const skep_event *event) {
    struct skep__journal *journal = cluster->journal;
    struct skep__due_event *due = malloc(sizeof *due);
    if (due == NULL) return;
    due->event = *event;
    due->event.reason = copy(due->reason, sizeof due->reason, event->reason);
    due->event.url = copy(due->url, sizeof due->url, event->url);
    due->event.queue = copy(due->queue, sizeof due->queue, event->queue);
    STAILQ_INSERT_TAIL(&journal->due, due, entry);
    skep__flusher_mark(cluster->flusher, &journal->due_flush);
}

struct skep__due_event *skep__events_take(struct skep__journal *journal) {
    struct skep__due_event *first = STAILQ_FIRST(&journal->due);
    if (first != NULL) STAILQ_REMOVE_HEAD(&journal->due, entry);
    return first;
}

void skep__events_forget(const skep_child *child) {
    struct skep__journal *journal = child->cluster->journal;
    struct skep__due_event *due, *next;
    for (due = STAILQ_FIRST(&journal->due); due != NULL; due = next) {
        next = STAILQ_NEXT(due, entry);
        if (due->event.child != child) continue;
        STAILQ_REMOVE(&journal->due, due, skep__due_event, entry);
        free(due);
    }
}

void skep__events_free(struct skep__journal *journal) {
    for (struct skep__due_event *due; (due = skep__events_take(journal)) != NULL;) free(due);
}
