/* SPDX-License-Identifier: MIT
 * What workers wrote on stdout and stderr: the latest lines, numbered from 1 without a gap. */
#ifndef SKEP_JOURNAL_LOG_H
#define SKEP_JOURNAL_LOG_H

#include <sys/queue.h>
#include <sys/types.h>

#include "command.h"

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

/* Appends what was asked for, as much as fits into an answer, and a logEnd. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__log_answer(const struct skep__log *log, const struct skep_command_logs *question,
                                   struct skep_frame *frame);

void skep__log_free(struct skep__log *log);

void skep__tail_add(struct skep__log_tail *tail, struct skep__log_line *line);
void skep__tail_free(struct skep__log_tail *tail);

#endif
