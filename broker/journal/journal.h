/* SPDX-License-Identifier: MIT
 * What happened: events, told to callbacks and published as numbered news; lines and exits that are kept; what has run
 * out. */
#ifndef SKEP_JOURNAL_JOURNAL_H
#define SKEP_JOURNAL_JOURNAL_H

#include "broker.h"
#include "command.h"

/* Makes what the room has of a cluster, and frees it when its handles have closed. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__journal_new(skep_cluster *cluster);
void skep__journal_free(skep_cluster *cluster);

/* Opens the socket of the news, with the start of the cluster; closes it. Errors: as skep__outlet_listen. */
SKEP_MUST_USE int skep__journal_open(skep_cluster *cluster);
void skep__journal_close(skep_cluster *cluster);

/* The cluster ends: handles are closed. */
void skep__journal_end(skep_cluster *cluster);

/* There is a worker: makes what the room has of it, its callbacks and its last lines, and frees that. Errors:
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__journal_worker_made(skep_child *child);
void skep__journal_worker_freed(skep_child *child);

/* It is forgotten: what is due about it is dropped, and its last lines are, too. */
void skep__journal_worker_ended(skep_child *child);

/* --- events --- */

/* An event with nothing in it but its kind and worker (may be NULL). */
skep_event skep__event(enum skep_event_kind kind, skep_child *child);

/* Tells the news and the callbacks. From a callback of the loop only. What is due comes first. */
void skep__emit(skep_cluster *cluster, const skep_event *event);

/* The same on the next turn of the loop, or before the next event, for calls of the user. reason, url and queue are
 * copied; other strings, such as the name of a group, must live on. */
void skep__emit_later(skep_cluster *cluster, const skep_event *event);

/* Emits what is due. */
void skep__emit_due(skep_cluster *cluster);

/* Emits an event that has a reason, of a worker (may be NULL) or of the cluster. */
void skep__emit_reason(skep_cluster *cluster, enum skep_event_kind kind, skep_child *child, const char *reason);

/* Emits an error about a worker (may be NULL). */
SKEP_PRINTF(3, 4) void skep__emit_error(skep_cluster *cluster, skep_child *child, const char *format, ...);

/* No callback is called any more, of the cluster's or of a worker's: the user has let go of them. */
void skep__events_stop(skep_cluster *cluster);

/* Emits that jobs became dead letters. */
void skep__emit_dead(skep_cluster *cluster, const char *text);

/* Whether something that may happen again and again may be said: once a second. *said_ms is the latest time, by the
 * loop's clock; 0: never. */
bool skep__may_say(const skep_cluster *cluster, uint64_t *said_ms);

/* Whether there is a callback for messages of this worker. */
bool skep__has_message_handler(const skep_cluster *cluster, const skep_child *child);

/* --- news --- */

/* The number of the latest. */
uint64_t skep__news_latest(const skep_cluster *cluster);

/* Publishes a message to all. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__news_broadcast(skep_cluster *cluster, uint32_t from, const struct skep_bytes *name,
                                       const struct skep_bytes *data);

/* Publishes totals of the broker's status. */
void skep__news_totals(skep_cluster *cluster, const struct skep_command_brokerStatus *status);

/* Calls add for the items after seq, as they are packed, then for the newsEnd; stops at the first that fails and
 * returns its status. */
SKEP_MUST_USE int skep__news_since(skep_cluster *cluster, uint64_t seq,
                                   int (*add)(void *context, const void *data, size_t size_bytes), void *context);

/* --- lines and exits --- */

/* Keeps a line that a worker wrote, for the logs and for the record of its exit, as far as there is memory. */
void skep__log_keep(skep_cluster *cluster, const skep_log_line *line);

/* Whether any line was ever kept. */
bool skep__log_was_used(const skep_cluster *cluster);

/* Appends what was asked for, as much as fits into an answer, and a logEnd. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__logs_add(const skep_cluster *cluster, const struct skep_command_logs *question,
                                 struct skep_frame *frame);

/* Keeps a record of a worker that has ended; its last lines go into it, and the time is now. If there is no memory
 * there is no record. jobs: that it had. */
void skep__exits_keep(skep_child *child, const skep_exit_facts *facts, uint64_t jobs);

/* Appends the latest n records (0: all), the oldest first. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__exits_add(const skep_cluster *cluster, uint64_t n, struct skep_frame *frame);

/* --- what a machine may have too little of --- */

enum skep__lack {
    SKEP__LACK_DESCRIPTORS,
    SKEP__LACK_PEERS,      /* descriptors for connections of workers, clients and commands */
    SKEP__LACK_REFERENCES, /* to descriptors in flight */
    SKEP__LACK_PROCESSES,
    SKEP__LACK_MEMORY,
    SKEP__LACK_DIRECTORY, /* to make sockets in */
    SKEP__LACKS
};

/* Says what ran out, unless the same was said within the last ten seconds. */
SKEP_PRINTF(3, 4) void skep__lack_say(skep_cluster *cluster, enum skep__lack lack, const char *format, ...);

/* --- the end of memory --- */

/* While the reserve (base/reserve.h) is missing, what takes memory for long is refused; ten times a second it is tried
 * to have it again, and what waits for memory is tried too. One line in ten seconds says so. */

/* Reason for a SKEP_ENOMEM that others are told */
#define SKEP__OUT_OF_MEMORY "the broker is out of memory"

/* Takes the reserve; retry is called each time that it was looked whether there is memory again. */
void skep__memory_open(skep_cluster *cluster, void (*retry)(skep_cluster *cluster));

/* Whether so many bytes may be taken for long. To be asked before, by what a client, a worker or an operator would have
 * the broker keep. */
SKEP_MUST_USE bool skep__memory_allows(skep_cluster *cluster, size_t size_bytes);

/* So many bytes were taken by what gives memory back in the end. */
void skep__memory_note(skep_cluster *cluster, size_t size_bytes);

/* Looks whether there is memory for what takes some for a moment only; if not, the reserve is given up. */
void skep__memory_check(skep_cluster *cluster);

/* There was no memory for a step: the reserve is given up. True if it is worth another try, at once; else, and if that
 * fails, the step has to be tried by retry, or to be given up. */
bool skep__memory_lacks(skep_cluster *cluster);

/* --- processes that want something of the broker's sockets; context is the cluster --- */

/* A process of another user was turned away. */
void skep__peer_refused(void *context, pid_t pid, uid_t uid);

/* Nobody can connect for want of descriptors. */
void skep__peers_starved(void *context);

#endif
