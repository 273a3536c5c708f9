/* SPDX-License-Identifier: MIT
 * The log. */
#include <string.h>

#include "journal/private.h"

enum {
    ANSWER_BYTES = 1024 * 1024, /* of lines in one answer */
    LINE_OVERHEAD_BYTES = 128   /* of a logLine besides what the worker wrote, at most */
};

static size_t memory_of(const struct skep__log_line *line) {
    return sizeof *line + line->size_bytes;
}

static void let_go(struct skep__log_line *line) {
    if (--line->holders == 0) free(line);
}

static void drop_oldest(struct skep__log *log) {
    struct skep__log_line *oldest = TAILQ_FIRST(&log->lines);
    TAILQ_REMOVE(&log->lines, oldest, entry);
    log->bytes -= memory_of(oldest);
    let_go(oldest);
}

int skep__log_add(struct skep__log *log, const struct skep__log_line *about, const char *data, size_t limit_bytes,
                  struct skep__log_line **out) {
    struct skep__log_line *line = malloc(memory_of(about));
    if (line == NULL) return SKEP_ENOMEM;
    *line = *about;
    line->holders = 1;
    line->seq = ++log->seq;
    memcpy(line->data, data, about->size_bytes);
    TAILQ_INSERT_TAIL(&log->lines, line, entry);
    log->bytes += memory_of(line);
    while (log->bytes > limit_bytes && TAILQ_FIRST(&log->lines) != line) drop_oldest(log);
    *out = line;
    return SKEP_OK;
}

void skep__log_free(struct skep__log *log) {
    while (!TAILQ_EMPTY(&log->lines)) drop_oldest(log);
}

/* --- answers --- */

static bool is_wanted(const struct skep_command_logs *question, const struct skep__log_line *line) {
    return !SKEP_HAS(logs, question, worker) || question->worker == line->worker;
}

static size_t size_in_answer(const struct skep__log_line *line) {
    return LINE_OVERHEAD_BYTES + line->size_bytes;
}

static struct skep__log_line *before(struct skep__log_line *line) {
    return TAILQ_PREV(line, skep__log_lines, entry);
}

/* From the end, since most ask for what is new. */
static const struct skep__log_line *first_after(const struct skep__log *log, uint64_t seq) {
    const struct skep__log_line *first = NULL;
    struct skep__log_line *line = TAILQ_LAST(&log->lines, skep__log_lines);
    for (; line != NULL && line->seq > seq; line = before(line)) first = line;
    return first;
}

/* The first of the latest n; without n, of the latest that fit into one answer. */
static const struct skep__log_line *first_of_latest(const struct skep__log *log,
                                                    const struct skep_command_logs *question) {
    const struct skep__log_line *first = NULL;
    size_t bytes = 0;
    uint64_t count = 0;
    struct skep__log_line *line = TAILQ_LAST(&log->lines, skep__log_lines);
    for (; line != NULL; line = before(line)) {
        if (!is_wanted(question, line)) continue;
        bytes += size_in_answer(line);
        if (question->n == 0 ? bytes > ANSWER_BYTES : ++count > question->n) break;
        first = line;
    }
    return first;
}

static int add_line(const struct skep__log_line *line, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_logLine};
    struct skep_command_logLine *l = &command.logLine;
    *l = (struct skep_command_logLine){.seq = line->seq,
                                       .time = line->time_ms,
                                       .worker = line->worker,
                                       .pid = (uint64_t)line->pid,
                                       .stream = (uint64_t)line->stream,
                                       .line = {line->data, line->size_bytes}};
    if (line->group != NULL) SKEP_SET(logLine, l, group, skep__text(line->group));
    if (line->cut_bytes > 0) SKEP_SET(logLine, l, cut, line->cut_bytes);
    return skep__frame_add(frame, &command);
}

/* Of all workers' lines: whose they were is no longer known. */
static uint64_t count_lost(const struct skep__log *log, const struct skep_command_logs *question) {
    const struct skep__log_line *oldest = TAILQ_FIRST(&log->lines);
    uint64_t before_all = oldest != NULL ? oldest->seq - 1 : log->seq;
    bool asked = SKEP_HAS(logs, question, since);
    return asked && before_all > question->since ? before_all - question->since : 0;
}

/* rest is the first line that did not fit, or NULL: the next question begins there, past lines of other workers. */
static int add_end(const struct skep__log *log, const struct skep_command_logs *question,
                   const struct skep__log_line *rest, struct skep_frame *frame) {
    struct skep_command command = {.id = SKEP_COMMAND_logEnd};
    struct skep_command_logEnd *end = &command.logEnd;
    uint64_t lost = count_lost(log, question);
    *end = (struct skep_command_logEnd){.seq = rest != NULL ? rest->seq - 1 : log->seq};
    if (lost > 0) SKEP_SET(logEnd, end, lost, lost);
    if (rest != NULL) SKEP_SET(logEnd, end, more, true);
    return skep__frame_add(frame, &command);
}

int skep__log_answer(const struct skep__log *log, const struct skep_command_logs *question, struct skep_frame *frame) {
    bool since = SKEP_HAS(logs, question, since);
    const struct skep__log_line *line = since ? first_after(log, question->since) : first_of_latest(log, question);
    size_t bytes = 0;
    uint64_t count = 0;
    int status = SKEP_OK;
    for (; line != NULL && status == SKEP_OK; line = TAILQ_NEXT(line, entry)) {
        if (!is_wanted(question, line)) continue;
        bytes += size_in_answer(line);
        count++;
        if (bytes > ANSWER_BYTES || (question->n != 0 && count > question->n)) break;
        status = add_line(line, frame);
    }
    return status == SKEP_OK ? add_end(log, question, line, frame) : status;
}

/* --- tails --- */

static void drop_first(struct skep__log_tail *tail) {
    tail->bytes -= tail->lines[0]->size_bytes;
    let_go(tail->lines[0]);
    tail->count--;
    memmove(&tail->lines[0], &tail->lines[1], tail->count * sizeof tail->lines[0]);
}

void skep__tail_add(struct skep__log_tail *tail, struct skep__log_line *line) {
    if (tail->count == SKEP__TAIL_LINES) drop_first(tail);
    line->holders++;
    tail->lines[tail->count++] = line;
    tail->bytes += line->size_bytes;
    while (tail->bytes > SKEP__TAIL_BYTES && tail->count > 1) drop_first(tail);
}

void skep__tail_free(struct skep__log_tail *tail) {
    while (tail->count > 0) drop_first(tail);
}

/* --- those of the cluster --- */

void skep__log_keep(skep_cluster *cluster, const skep_log_line *line) {
    skep_child *child = line->child;
    struct skep__log *log = &cluster->journal->log;
    const struct skep__log_line about = {.time_ms = line->time_ms,
                                         .worker = child->id,
                                         .pid = child->pid,
                                         .group = cluster->group_count > 1 ? child->terms->name : NULL,
                                         .stream = line->stream,
                                         .cut_bytes = line->cut_bytes,
                                         .size_bytes = line->size_bytes};
    struct skep__log_line *kept;
    bool may_grow = skep__memory_allows(cluster, line->size_bytes);
    size_t limit_bytes = may_grow ? cluster->settings.log_bytes : log->bytes;
    if (skep__log_add(log, &about, line->data, limit_bytes, &kept) == SKEP_OK)
        skep__tail_add(&child->subject->last_lines, kept);
}

bool skep__log_was_used(const skep_cluster *cluster) {
    return cluster->journal->log.seq > 0;
}

int skep__logs_add(const skep_cluster *cluster, const struct skep_command_logs *question, struct skep_frame *frame) {
    return skep__log_answer(&cluster->journal->log, question, frame);
}
