/* SPDX-License-Identifier: MIT
 * Queues and jobs as operators see them, read off the store. */
#include "base/times.h"
#include "common/text.h"
#include "jobs/private.h"
#include "jobs/store_keys.h"

enum { ANSWER_BYTES = 2 * 1024 * 1024 /* an answer is not longer than that: the asker asks again for the rest */ };

static const struct skep__store_kind *store(const struct skep__jobs *jobs) {
    return jobs->store->kind;
}

/* --- the broker --- */

void skep__jobs_status(const struct skep__jobs *jobs, struct skep_command_brokerStatus *status) {
    SKEP_SET(brokerStatus, status, strayAnswers, jobs->stray_answers);
}

/* --- queues --- */

static uint64_t oldest_ms(const struct skep__jobs *jobs, const struct skep__queue *queue) {
    uint64_t now = skep__clock_ms(jobs->clock);
    return now - store(jobs)->oldest_ms(queue->shelf, now);
}

static void fill_settings(const struct skep__jobs *jobs, const struct skep__queue *queue,
                          struct skep_command_queueStatus *s) {
    const skep_queue_options *options = &queue->options;
    const skep_settings *settings = jobs->settings;
    if (queue->has_settings) SKEP_SET(queueStatus, s, configured, true);
    SKEP_SET(queueStatus, s, lease_ms, options->lease_ms != 0 ? options->lease_ms : settings->lease_ms);
    SKEP_SET(queueStatus, s, attempts, skep__jobs_attempts(jobs, queue, 0));
    if (options->concurrency != 0) SKEP_SET(queueStatus, s, concurrency, options->concurrency);
    SKEP_SET(queueStatus, s, credit, options->job_credit != 0 ? options->job_credit : settings->job_credit);
    if (options->backoff_ms != 0) SKEP_SET(queueStatus, s, backoff_ms, options->backoff_ms);
    if (options->backoff_max_ms != 0) SKEP_SET(queueStatus, s, backoff_max_ms, options->backoff_max_ms);
    if (options->interruptions != 0) SKEP_SET(queueStatus, s, interruptions, options->interruptions);
}

static int add_queue(struct skep__jobs *jobs, struct skep__queue *queue, struct skep_frame *frame) {
    char packed[SKEP_MAX_TIMES];
    struct skep_command command = {.id = SKEP_COMMAND_queueStatus};
    command.queueStatus =
        (struct skep_command_queueStatus){.name = skep__text(queue->name),
                                          .workers = queue->consumer_count,
                                          .ready = queue->shelf->ready_count + queue->shelf->stored_count,
                                          .reserved = queue->shelf->reserved_count,
                                          .delayed = queue->shelf->delayed_count,
                                          .dead = queue->shelf->dead_count,
                                          .submitted = queue->shelf->submitted,
                                          .done = queue->shelf->done,
                                          .redelivered = queue->redelivered,
                                          .duplicates = queue->shelf->duplicates,
                                          .declined = queue->shelf->declined,
                                          .refused = queue->refused,
                                          .unclaimed = queue->unclaimed,
                                          .bytes = queue->shelf->bytes,
                                          .oldest_ms = oldest_ms(jobs, queue)};
    struct skep_bytes times = skep__times_pack(&queue->times, frame->size_bytes, packed);
    if (times.size_bytes > 0) SKEP_SET(queueStatus, &command.queueStatus, times, times);
    if (queue->taken_back > 0) SKEP_SET(queueStatus, &command.queueStatus, taken_back, queue->taken_back);
    if (queue->interrupted > 0) SKEP_SET(queueStatus, &command.queueStatus, interrupted, queue->interrupted);
    fill_settings(jobs, queue, &command.queueStatus);
    if (queue->paused) SKEP_SET(queueStatus, &command.queueStatus, paused, true);
    if (queue->shelf->durable) SKEP_SET(queueStatus, &command.queueStatus, durable, true);
    if (queue->shelf->durable && store(jobs)->wanted != NULL) SKEP_SET(queueStatus, &command.queueStatus, shared, true);
    if (!queue->handled) SKEP_SET(queueStatus, &command.queueStatus, unhandled, true);
    return skep__frame_add(frame, &command);
}

int skep__jobs_add_queues(struct skep__jobs *jobs, struct skep_frame *frame) {
    int status = SKEP_OK;
    for (struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;)
        if (status == SKEP_OK) status = add_queue(jobs, q, frame);
    return status;
}

/* --- jobs --- */

static void fill_death(struct skep_command_jobStatus *s, const struct skep__job *job) {
    const struct skep__death *death = job->death;
    SKEP_SET(jobStatus, s, cause, skep__text(death->cause));
    SKEP_SET(jobStatus, s, died, death->wall_ms);
    if (death->reason[0] != '\0') SKEP_SET(jobStatus, s, reason, skep__text(death->reason));
    if (death->exit.worker != 0) {
        SKEP_SET(jobStatus, s, worker, death->exit.worker);
        SKEP_SET(jobStatus, s, pid, (uint64_t)death->exit.pid);
    }
    if (death->exit.uptime_ms != 0) SKEP_SET(jobStatus, s, uptime_ms, death->exit.uptime_ms);
    if (death->exit.code >= 0) SKEP_SET(jobStatus, s, code, (uint64_t)death->exit.code);
    if (death->exit.signal >= 0) SKEP_SET(jobStatus, s, signal, (uint64_t)death->exit.signal);
}

static uint64_t until(uint64_t then_ms, uint64_t now_ms) {
    return then_ms > now_ms ? then_ms - now_ms : 0;
}

/* One that a worker was sent and has not begun counts as it will be begun. */
static unsigned begun_times(const struct skep__job *job) {
    bool waits = job->state == SKEP__JOB_RESERVED && !skep__is_begun(job->consumer->holder, job->delivery);
    return job->attempt - waits;
}

const char *skep__job_state_name(const struct skep__job *job) {
    static const char *const states[] = {"ready", "reserved", "delayed", "dead", "pending"};
    return states[job->state];
}

static void fill_reserved(const struct skep__jobs *jobs, struct skep_command_jobStatus *s,
                          const struct skep__job *job) {
    const struct skep__holder *holder = job->consumer->holder;
    uint64_t now = skep__clock_ms(jobs->clock), lease_ms = skep__lease_ms(jobs, job);
    SKEP_SET(jobStatus, s, worker, holder->id);
    if (!skep__is_begun(holder, job->delivery)) return;
    uint64_t left_ms = until(skep__lease_end_ms(holder, job, now), now);
    SKEP_SET(jobStatus, s, due_ms, left_ms);
    SKEP_SET(jobStatus, s, begun_ms, lease_ms > left_ms ? lease_ms - left_ms : 0);
}

void skep__job_status(const struct skep__jobs *jobs, const struct skep__job *job, struct skep_command *command) {
    static const struct skep_bytes none = {0};
    struct skep_command_jobStatus *s = &command->jobStatus;
    uint64_t now = skep__clock_ms(jobs->clock);
    size_t shown_bytes = job->size_bytes < SKEP_MAX_SNIPPET ? job->size_bytes : SKEP_MAX_SNIPPET;
    command->id = SKEP_COMMAND_jobStatus;
    *s = (struct skep_command_jobStatus){.id = job->id,
                                         .queue = skep__text(job->queue->name),
                                         .state = skep__text(skep__job_state_name(job)),
                                         .priority = job->priority,
                                         .attempt = begun_times(job),
                                         .deaths = job->deaths,
                                         .age_ms = now - job->accepted_ms,
                                         .size = job->size_bytes,
                                         .data = {job->data, shown_bytes}};
    if (job->failures > 0) SKEP_SET(jobStatus, s, failures, job->failures);
    if (job->interruptions > 0) SKEP_SET(jobStatus, s, interruptions, job->interruptions);
    const struct skep_bytes key = job->key != NULL ? (struct skep_bytes){job->key->key, job->key->size_bytes} : none;
    if (job->key != NULL) SKEP_SET(jobStatus, s, key, key);
    if (job->state == SKEP__JOB_DELAYED) SKEP_SET(jobStatus, s, due_ms, until(job->at_ms, now));
    if (job->state == SKEP__JOB_RESERVED) fill_reserved(jobs, s, job);
    if (job->state == SKEP__JOB_DEAD && job->death != NULL) fill_death(s, job);
}

static int add_job(const struct skep__jobs *jobs, const struct skep__job *job, struct skep_frame *frame) {
    struct skep_command command;
    skep__job_status(jobs, job, &command);
    return skep__frame_add(frame, &command);
}

/* Adds jobs of one state after a given one (NULL: from the first) while *n and the answer's size allow it. */
static int add_jobs(struct skep__jobs *jobs, struct skep__queue *queue, enum skep__job_state state,
                    const struct skep__job *after, uint64_t *n, struct skep_frame *frame) {
    struct skep__job *job = store(jobs)->next(jobs->store, queue->shelf, state, after);
    int status = SKEP_OK;
    for (; job != NULL && *n > 0 && status == SKEP_OK; --*n) {
        if (frame->size_bytes > ANSWER_BYTES) *n = 1;
        status = add_job(jobs, job, frame);
        job = store(jobs)->next(jobs->store, queue->shelf, state, job);
    }
    return status;
}

int skep__jobs_add_peek(struct skep__jobs *jobs, struct skep__queue *queue, uint64_t n, struct skep_frame *frame) {
    int status = add_jobs(jobs, queue, SKEP__JOB_READY, NULL, &n, frame);
    if (status == SKEP_OK) status = add_jobs(jobs, queue, SKEP__JOB_DELAYED, NULL, &n, frame);
    if (status == SKEP_OK) status = add_jobs(jobs, queue, SKEP__JOB_RESERVED, NULL, &n, frame);
    return status;
}

static struct skep__job *find_dead(struct skep__jobs *jobs, const struct skep__queue *queue, uint64_t id) {
    struct skep__job *job = skep__jobs_find(jobs, id);
    return job != NULL && job->state == SKEP__JOB_DEAD && job->queue == queue ? job : NULL;
}

/* Queue by queue; an id that is no longer there is taken for the end of all that came before it. */
int skep__jobs_add_dead(struct skep__jobs *jobs, struct skep__queue *only, uint64_t after, uint64_t n,
                        struct skep_frame *frame) {
    int status = SKEP_OK;
    bool begun = after == 0;
    for (struct skep__queue *q = NULL; (q = skep__queues_next(jobs->queues, q)) != NULL;) {
        if (only != NULL && q != only) continue;
        const struct skep__job *last = begun ? NULL : find_dead(jobs, q, after);
        if (!begun && last == NULL) continue;
        begun = true;
        if (status == SKEP_OK) status = add_jobs(jobs, q, SKEP__JOB_DEAD, last, &n, frame);
    }
    return status;
}
