/* SPDX-License-Identifier: MIT
 * Exit records. */
#include <sys/time.h>

#include "journal/private.h"

enum { KEPT_EXITS = 256 };

struct skep__exit {
    STAILQ_ENTRY(skep__exit) entry;
    skep_exit_facts facts; /* name of the group lives as long as the cluster */
    struct rusage usage;
    uint64_t jobs;
    struct skep__log_tail lines;
};

/* --- records --- */

static void drop_oldest(struct skep__journal *journal) {
    struct skep__exit *oldest = STAILQ_FIRST(&journal->exits);
    STAILQ_REMOVE_HEAD(&journal->exits, entry);
    journal->exit_count--;
    skep__tail_free(&oldest->lines);
    free(oldest);
}

void skep__exits_keep(skep_child *child, const skep_exit_facts *facts, uint64_t jobs) {
    struct skep__journal *journal = child->cluster->journal;
    struct skep__log_tail *lines = &child->subject->last_lines;
    struct skep__exit *record = calloc(1, sizeof *record);
    if (record == NULL) return;
    *record = (struct skep__exit){.facts = *facts, .usage = child->rusage, .jobs = jobs, .lines = *lines};
    record->facts.time_ms = skep__wall_ms();
    *lines = (struct skep__log_tail){0};
    STAILQ_INSERT_TAIL(&journal->exits, record, entry);
    if (++journal->exit_count > KEPT_EXITS) drop_oldest(journal);
}

void skep__exits_free(struct skep__journal *journal) {
    while (!STAILQ_EMPTY(&journal->exits)) drop_oldest(journal);
}

int skep_child_exit_facts(const skep_cluster *cluster, uint32_t id, skep_exit_facts *facts) {
    const struct skep__exit *record;
    STAILQ_FOREACH(record, &cluster->journal->exits, entry) {
        if (record->facts.id != id) continue;
        *facts = record->facts;
        return SKEP_OK;
    }
    return SKEP_ENOWORKER;
}

/* --- answers --- */

static uint64_t ms_of(const struct timeval *time) {
    return (uint64_t)time->tv_sec * 1000 + (uint64_t)time->tv_usec / 1000;
}

static void set_optional(const skep_cluster *cluster, struct skep_command_exitStatus *e, const skep_exit_facts *facts) {
    if (cluster->group_count > 1) SKEP_SET(exitStatus, e, group, skep__text(facts->group));
    if (facts->name[0] != '\0') SKEP_SET(exitStatus, e, name, skep__text(facts->name));
    if (facts->code >= 0) SKEP_SET(exitStatus, e, code, (uint64_t)facts->code);
    if (facts->signal >= 0) SKEP_SET(exitStatus, e, signal, (uint64_t)facts->signal);
    if (facts->delay_ms >= 0) SKEP_SET(exitStatus, e, delay_ms, (uint64_t)facts->delay_ms);
}

static int add(const skep_cluster *cluster, const struct skep__exit *record, struct skep_frame *frame) {
    const skep_exit_facts *facts = &record->facts;
    struct skep_bytes lines[SKEP__TAIL_LINES];
    struct skep_command command = {.id = SKEP_COMMAND_exitStatus};
    struct skep_command_exitStatus *e = &command.exitStatus;
    *e = (struct skep_command_exitStatus){.worker = facts->id,
                                          .pid = (uint64_t)facts->pid,
                                          .slot = facts->slot,
                                          .time = facts->time_ms,
                                          .reason = skep__text(facts->reason),
                                          .uptime_ms = facts->uptime_ms,
                                          .user_ms = ms_of(&record->usage.ru_utime),
                                          .system_ms = ms_of(&record->usage.ru_stime),
                                          .rss_bytes = (uint64_t)record->usage.ru_maxrss * 1024,
                                          .connections = facts->connections,
                                          .jobs = record->jobs,
                                          .ready = facts->ready};
    set_optional(cluster, e, facts);
    for (unsigned i = 0; i < record->lines.count; i++)
        lines[i] = (struct skep_bytes){record->lines.lines[i]->data, record->lines.lines[i]->size_bytes};
    struct skep_list list = {.count = record->lines.count, .borrowed = lines};
    if (list.count > 0) SKEP_SET(exitStatus, e, lines, list);
    return skep__frame_add(frame, &command);
}

int skep__exits_add(const skep_cluster *cluster, uint64_t n, struct skep_frame *frame) {
    const struct skep__exit *record;
    size_t passed = n != 0 && n < cluster->journal->exit_count ? cluster->journal->exit_count - (size_t)n : 0;
    int status = SKEP_OK;
    STAILQ_FOREACH(record, &cluster->journal->exits, entry) {
        if (passed > 0) passed--;
        else if (status == SKEP_OK) status = add(cluster, record, frame);
    }
    return status;
}
