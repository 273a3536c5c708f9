/* SPDX-License-Identifier: MIT
 * Events: to the user's callbacks and to the news. */
#ifndef SKEP_JOURNAL_EVENT_H
#define SKEP_JOURNAL_EVENT_H

#include "broker.h"

/* An event with nothing in it but its kind and worker (may be NULL). */
skep_event skep__event(enum skep_event_kind kind, skep_child *child);

/* Tells the news and the callbacks. From a callback of the loop only. What is due comes first. */
void skep__emit(skep_cluster *cluster, const skep_event *event);

/* The same on the next turn of the loop, or before the next event, for calls of the user. reason, url and queue are
 * copied; other strings, such as the name of a group, must live on. */
void skep__emit_later(skep_cluster *cluster, const skep_event *event);

/* Emits what is due. */
void skep__emit_due(skep_cluster *cluster);

/* Emits an error about a worker (may be NULL). */
SKEP_PRINTF(3, 4) void skep__emit_error(skep_cluster *cluster, skep_child *child, const char *format, ...);

/* Whether something that may happen again and again may be said: once a second. *said_ms is the latest time, by the
 * loop's clock; 0: never. */
bool skep__may_say(const skep_cluster *cluster, uint64_t *said_ms);

/* Emits that jobs became dead letters. */
void skep__emit_dead(skep_cluster *cluster, const char *text);

/* Drops what is due about a worker. */
void skep__forget_due(skep_cluster *cluster, const skep_child *child);

/* Whether there is a callback for messages of this worker. */
bool skep__has_message_handler(const skep_cluster *cluster, const skep_child *child);

/* Drops all that is due. */
void skep__events_free(skep_cluster *cluster);

void skep__subscribers_free(struct skep__subscribers *subscribers);

#endif
