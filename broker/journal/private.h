/* SPDX-License-Identifier: MIT
 * The state of journal/. */
#ifndef SKEP_JOURNAL_PRIVATE_H
#define SKEP_JOURNAL_PRIVATE_H

#include <stdio.h>
#include <stdlib.h>

#include "common/text.h"
#include "journal/journal.h"

/* An event that is due on the next turn */
struct skep__due_event {
    STAILQ_ENTRY(skep__due_event) entry;
    skep_event event;
    char reason[SKEP_MAX_REASON + 1]; /* copies, since what they were borrowed from may have gone by then */
    char url[SKEP_MAX_URL + 1];
    char queue[SKEP_MAX_NAME + 1];
};

/* A callback for events of one kind */
struct skep__subscriber {
    STAILQ_ENTRY(skep__subscriber) entry;
    enum skep_event_kind kind;
    skep_event_cb callback;
    void *context;
    uint64_t number; /* in the order in which they were added to any list of the cluster */
    bool once;
    bool removed; /* freed when no callback is being called */
};
STAILQ_HEAD(skep__subscribers, skep__subscriber);

/* --- log.c: what workers wrote on stdout and stderr: the latest lines, numbered from 1 without a gap --- */

struct skep__log_line {
    TAILQ_ENTRY(skep__log_line) entry;
    unsigned holders; /* the log, and the tails that have it */
    uint64_t seq;
    uint64_t time_ms; /* wall clock, since 1970 */
    uint32_t worker;
    pid_t pid;
    const char *group; /* name of the worker's group, if there were several; lives as long as the log */
    int stream;        /* 1: stdout, 2: stderr */
    uint64_t cut_bytes;
    size_t size_bytes;
    char data[];
};

struct skep__log {
    TAILQ_HEAD(skep__log_lines, skep__log_line) lines;
    uint64_t seq; /* of the latest */
    size_t bytes; /* memory of the lines, at most what skep__log_add was told, unless that is a single one */
};

enum { SKEP__TAIL_LINES = 10, SKEP__TAIL_BYTES = 4096 };

/* The last lines of one worker, the oldest first, within these bounds, though always the latest of all. They outlive
 * the log. Zero-initialised is none. */
struct skep__log_tail {
    struct skep__log_line *lines[SKEP__TAIL_LINES];
    unsigned count;
    size_t bytes;
};

/* Adds a line, of which all but entry, holders, seq and data are given, and drops the oldest of those that are too
 * many. *line is the log's. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__log_add(struct skep__log *log, const struct skep__log_line *about, const char *data,
                                size_t limit_bytes, struct skep__log_line **line);

/* As skep__logs_add. */
SKEP_MUST_USE int skep__log_answer(const struct skep__log *log, const struct skep_command_logs *question,
                                   struct skep_frame *frame);

void skep__log_free(struct skep__log *log);

void skep__tail_add(struct skep__log_tail *tail, struct skep__log_line *line);
void skep__tail_free(struct skep__log_tail *tail);

/* --- the room --- */

struct skep__journal {
    skep_cluster *cluster;
    struct skep__subscribers subscribers;
    uint64_t subscriptions; /* ever */
    bool stopped;           /* none of them, nor of a worker's, is called any more */
    unsigned telling;       /* events that callbacks are being called for, one inside another */
    STAILQ_HEAD(, skep__due_event) due;
    struct skep__flush due_flush; /* emits them */

    struct skep__outlet *news;
    STAILQ_HEAD(, skep__news_item) items; /* of the news, the latest */
    size_t item_count, item_bytes;
    uint64_t seq; /* of the latest */

    struct skep__log log;
    STAILQ_HEAD(, skep__exit) exits; /* the latest */
    size_t exit_count;

    uint64_t lack_said_ms[SKEP__LACKS];          /* when each was last said; the loop's time; 0: never */
    uv_timer_t memory_timer;                     /* runs while the reserve is missing */
    void (*memory_retry)(skep_cluster *cluster); /* tries what waits for memory */
};

/* What the room has of a worker */
struct skep__subject {
    struct skep__subscribers subscribers;
    struct skep__log_tail last_lines;
};

/* --- event.c --- */

/* The first event that is due, which is so no longer; NULL: none is. The caller frees it. */
struct skep__due_event *skep__events_take(struct skep__journal *journal);

/* Drops those about a worker, or all. */
void skep__events_forget(const skep_child *child);
void skep__events_free(struct skep__journal *journal);

/* --- memory.c --- */

void skep__memory_close(skep_cluster *cluster);

/* --- news.c --- */

/* Publishes an event. */
void skep__news_event(skep_cluster *cluster, const skep_event *event);

void skep__news_free(struct skep__journal *journal);

/* --- emit.c --- */

/* Emits what is due; of journal.due_flush. */
void skep__events_flush(struct skep__flush *flush);

void skep__subscribers_free(struct skep__subscribers *subscribers);

/* --- exits.c --- */

void skep__exits_free(struct skep__journal *journal);

#endif
