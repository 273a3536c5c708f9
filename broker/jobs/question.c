/* SPDX-License-Identifier: MIT
 * What operators and clients ask about one job: how it is, and that it is cancelled. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/container.h"
#include "common/text.h"
#include "jobs/private.h"

static struct skep__job_question *question_of(struct skep__inquiry *inquiry) {
    return SKEP_CONTAINER(inquiry, struct skep__job_question, inquiry);
}

/* --- answers --- */

static void answer(struct skep__job_question *q, const struct skep_command *command) {
    q->answered(q, SKEP_OK, "", command);
}

SKEP_PRINTF(3, 4) static void fail(struct skep__job_question *q, int status, const char *format, ...) {
    char why[SKEP_MAX_REASON + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    q->answered(q, status, why, NULL);
}

static void answer_cancelled(struct skep__job_question *q) {
    struct skep_command command = {.id = SKEP_COMMAND_cancelled};
    command.cancelled = (struct skep_command_cancelled){
        .id = q->inquiry.recall.id, .queue = skep__text(q->queue), .was = skep__text(q->was)};
    answer(q, &command);
}

/* --- cancelling --- */

static void note_job(struct skep__job_question *q, const char *queue, const char *was) {
    q->was = was;
    snprintf(q->queue, sizeof q->queue, "%s", queue);
}

/* Who else waits for the job hears of it, and workers may have room for others. */
static void settle(struct skep__jobs *jobs, struct skep__holder *holder) {
    if (holder != NULL) skep__jobs_dispatch_to(holder);
    skep__due_watch(jobs);
    jobs->events->settled(jobs->context);
}

/* A dead letter has ended already; it is only forgotten. */
static void cancel(struct skep__job_question *q, struct skep__job *job) {
    struct skep__jobs *jobs = q->inquiry.jobs;
    const struct skep__store_kind *kind = jobs->store->kind;
    struct skep__holder *holder = job->state == SKEP__JOB_RESERVED ? job->consumer->holder : NULL;
    const char *was = skep__job_state_name(job);
    if (holder != NULL && !skep__take_back(job)) {
        fail(q, SKEP_EBEGUN, "worker %" PRIu32 " works on job %" PRIu64, holder->id, job->id);
        return;
    }
    note_job(q, job->queue->name, was);
    if (job->state == SKEP__JOB_DEAD) kind->drop(jobs->store, job);
    else kind->cancel(jobs->store, job, skep__clock_ms(jobs->clock));
    settle(jobs, holder);
    skep__inquire(jobs, &q->inquiry); /* it is gone, or will be when that is written */
}

/* It was not in memory: nobody waits for it but those who have come back. */
static void tell_cancelled(struct skep__jobs *jobs, uint64_t id) {
    static const struct skep_bytes none = {0};
    const struct skep__job job = {.id = id};
    if (skep__awaited_is(jobs, id)) jobs->events->died(jobs->context, &job, skep__cancelled, &none);
    jobs->events->settled(jobs->context);
}

/* --- what was found --- */

static void found(struct skep__inquiry *inquiry, struct skep__job *job) {
    struct skep__job_question *q = question_of(inquiry);
    struct skep_command command;
    if (q->inquiry.recall.cancels) {
        cancel(q, job);
        return;
    }
    skep__job_status(inquiry->jobs, job, &command);
    answer(q, &command);
}

static const char *end_of(const struct skep__record *record) {
    if (record->cause == NULL) return "done";
    return strcmp(record->cause, skep__cancelled) == 0 ? record->cause : "dropped";
}

static void answer_ended(struct skep__job_question *q, const struct skep__record *record) {
    struct skep_command command = {.id = SKEP_COMMAND_jobEnded};
    struct skep_command_jobEnded *e = &command.jobEnded;
    const bool died = record->cause != NULL && strcmp(record->cause, skep__cancelled) != 0;
    *e = (struct skep_command_jobEnded){
        .id = q->inquiry.recall.id, .queue = skep__text(record->queue), .state = skep__text(end_of(record))};
    if (record->attempt > 0) SKEP_SET(jobEnded, e, attempt, record->attempt);
    if (record->ended_ms > 0) SKEP_SET(jobEnded, e, ended, record->ended_ms);
    if (died) SKEP_SET(jobEnded, e, cause, skep__text(record->cause));
    if (died && record->result.size_bytes > 0) SKEP_SET(jobEnded, e, reason, record->result);
    if (record->cause == NULL && record->result.size_bytes > 0) SKEP_SET(jobEnded, e, result, record->result);
    answer(q, &command);
}

static void answer_stored(struct skep__job_question *q, const struct skep__record *record) {
    struct skep_command command = {.id = SKEP_COMMAND_jobStatus};
    struct skep_bytes data = record->data;
    if (data.size_bytes > SKEP_MAX_SNIPPET) data.size_bytes = SKEP_MAX_SNIPPET;
    command.jobStatus = (struct skep_command_jobStatus){.id = q->inquiry.recall.id,
                                                        .queue = skep__text(record->queue),
                                                        .state = skep__text("ready"),
                                                        .priority = record->priority,
                                                        .age_ms = record->age_ms,
                                                        .size = record->data.size_bytes,
                                                        .data = data};
    answer(q, &command);
}

/* It was read to be shown, and there was no memory for that. */
static void cancel_stored(struct skep__job_question *q, const struct skep__record *record) {
    const uint64_t id = q->inquiry.recall.id;
    if (!record->cancelled) {
        fail(q, SKEP_EAGAIN, "job %" PRIu64 " is being read; try again", id);
        return;
    }
    note_job(q, record->queue, "ready");
    tell_cancelled(q->inquiry.jobs, id);
    answer_cancelled(q);
}

static void elsewhere(struct skep__inquiry *inquiry, int status, const struct skep__record *record) {
    struct skep__job_question *q = question_of(inquiry);
    const uint64_t id = inquiry->recall.id;
    const bool cancels = inquiry->recall.cancels;
    if (q->was != NULL && status != SKEP_ECLOSED) answer_cancelled(q);
    else if (status != SKEP_OK) fail(q, status, "job %" PRIu64 ": %s", id, skep_strerror(status));
    else if (record->where == SKEP__NOWHERE) fail(q, SKEP_ENOJOB, "job %" PRIu64 " is not known (any more)", id);
    else if (record->where == SKEP__STORED && cancels) cancel_stored(q, record);
    else if (record->where == SKEP__STORED) answer_stored(q, record);
    else if (cancels) fail(q, SKEP_EENDED, "job %" PRIu64 " has ended: %s", id, end_of(record));
    else answer_ended(q, record);
}

void skep__jobs_ask(struct skep__jobs *jobs, struct skep__job_question *q, uint64_t id, bool cancels) {
    q->was = NULL;
    q->inquiry = (struct skep__inquiry){
        .recall = {.id = id, .cancels = cancels}, .patient = cancels, .found = found, .elsewhere = elsewhere};
    skep__inquire(jobs, &q->inquiry);
}
