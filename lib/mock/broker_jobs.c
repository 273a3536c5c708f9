/* SPDX-License-Identifier: MIT
 * A mock broker's jobs: accepted, waiting in their order, over. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/queue_options.h"
#include "mock/broker.h"

/* --- queues --- */

struct skep__mock_queue *skep__mock_queue(skep_mock *mock, const char *name) {
    struct skep__mock_queue *queue;
    STAILQ_FOREACH(queue, &mock->queues, entry) if (strcmp(queue->name, name) == 0) return queue;
    queue = calloc(1, sizeof *queue);
    if (queue == NULL) return NULL;
    strncpy(queue->name, name, SKEP_MAX_NAME);
    STAILQ_INSERT_TAIL(&mock->queues, queue, entry);
    return queue;
}

int skep_mock_setup_queue(skep_mock *mock, const char *name, const skep_queue_options *options) {
    skep_queue_options taken;
    char why[SKEP_MAX_REASON + 1];
    int status = skep__queue_options_take(name, options, &taken, why);
    if (status != SKEP_OK) {
        skep__mock_explain(mock, "%s", why);
        return status;
    }
    struct skep__mock_queue *queue = skep__mock_queue(mock, name);
    if (queue == NULL) return SKEP_ENOMEM;
    queue->options = taken;
    queue->configured = true;
    return SKEP_OK;
}

/* --- ready --- */

struct skep__mock_job *skep__mock_job(const skep_mock *mock, uint64_t id) {
    struct skep__mock_job *job;
    HASH_FIND(hh, mock->jobs, &id, sizeof id, job);
    return job;
}

int skep__mock_no_job(skep_mock *mock, uint64_t id) {
    skep__mock_explain(mock, "no job %" PRIu64 " was submitted", id);
    return skep__mock_failed(mock, SKEP_ENOJOB);
}

bool skep__mock_is_over(const struct skep__mock_job *job) {
    return job->state == SKEP_MOCK_DONE || job->state == SKEP_MOCK_DEAD;
}

uint32_t skep__mock_lease_ms(const skep_mock *mock, const struct skep__mock_job *job) {
    if (job->lease_ms != 0) return job->lease_ms;
    return job->queue->options.lease_ms != 0 ? job->queue->options.lease_ms : mock->options.lease_ms;
}

void skep__mock_make_ready(skep_mock *mock, struct skep__mock_job *job, bool first) {
    struct skep__mock_job *before = TAILQ_LAST(&mock->ready, skep__mock_jobs);
    job->state = SKEP_MOCK_READY;
    while (before != NULL && (first ? before->priority >= job->priority : before->priority > job->priority))
        before = TAILQ_PREV(before, skep__mock_jobs, ready_entry);
    if (before != NULL) TAILQ_INSERT_AFTER(&mock->ready, before, job, ready_entry);
    else TAILQ_INSERT_HEAD(&mock->ready, job, ready_entry);
}

/* --- over --- */

void skep__mock_set_reason(struct skep__mock_job *job, struct skep_bytes reason) {
    if (reason.size_bytes > 0) memcpy(job->reason, reason.data, reason.size_bytes);
    job->reason[reason.size_bytes] = '\0';
}

void skep__mock_end_done(skep_mock *mock, struct skep__mock_job *job, struct skep_bytes result) {
    job->state = SKEP_MOCK_DONE;
    job->ended_ms = mock->now_ms;
    job->queue->done++;
    if (result.size_bytes > 0 && STAILQ_EMPTY(&job->waiters)) job->queue->unclaimed++;
    job->result = result.data != NULL ? calloc(1, result.size_bytes + 1) : NULL;
    if (job->result == NULL) return;
    if (result.size_bytes > 0) memcpy(job->result, result.data, result.size_bytes);
    job->result_bytes = result.size_bytes;
}

void skep__mock_end_dead(skep_mock *mock, struct skep__mock_job *job, const char *cause, struct skep_bytes reason) {
    job->state = SKEP_MOCK_DEAD;
    job->ended_ms = mock->now_ms;
    job->cause = cause;
    skep__mock_set_reason(job, reason);
}

/* --- submitting --- */

static int check_job(skep_mock *mock, const char *queue, size_t size_bytes, const skep_job_options *options) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__job_options_check(queue, options, why);
    if (status == SKEP_OK) status = skep__job_size_check(queue, size_bytes, why);
    if (status != SKEP_OK) skep__mock_explain(mock, "%s", why);
    return status;
}

/* The job that keeps copies out; NULL: there is none. */
static struct skep__mock_job *find_first(const skep_mock *mock, const struct skep__mock_queue *queue, const char *key) {
    struct skep__mock_job *job = key != NULL ? mock->jobs : NULL;
    for (; job != NULL; job = job->hh.next) {
        if (job->queue != queue || strcmp(job->key, key) != 0) continue;
        if (!skep__mock_is_over(job) || mock->now_ms - job->ended_ms < mock->options.dedup_ms) return job;
    }
    return NULL;
}

static struct skep__mock_job *new_job(const skep_mock *mock, struct skep__mock_queue *queue, const void *data,
                                      size_t size_bytes, const skep_job_options *o) {
    struct skep__mock_job *job = calloc(1, sizeof *job + size_bytes);
    if (job == NULL) return NULL;
    STAILQ_INIT(&job->waiters);
    job->queue = queue;
    if (size_bytes > 0) memcpy(job->data, data, size_bytes);
    job->size_bytes = size_bytes;
    job->priority = o->priority;
    job->accepted_ms = mock->now_ms;
    job->lease_ms = o->lease_ms;
    job->attempts = o->attempts != 0 ? o->attempts : queue->options.attempts;
    if (job->attempts == 0) job->attempts = mock->options.attempts;
    job->expiry_ms = o->ttl_ms != 0 ? mock->now_ms + o->ttl_ms : UINT64_MAX;
    if (o->key != NULL) strncpy(job->key, o->key, SKEP_MAX_NAME);
    return job;
}

static int enter(skep_mock *mock, struct skep__mock_job *job, uint32_t delay_ms) {
    job->id = mock->last_job + 1;
    HASH_ADD(hh, mock->jobs, id, sizeof job->id, job);
    if (!SKEP_IS_ADDED(job, hh)) {
        free(job);
        return SKEP_ENOMEM;
    }
    mock->last_job++;
    job->queue->submitted++;
    job->state = SKEP_MOCK_DELAYED;
    job->at_ms = mock->now_ms + delay_ms;
    if (delay_ms == 0) skep__mock_make_ready(mock, job, false);
    return SKEP_OK;
}

int skep_mock_submit(skep_mock *mock, const char *queue_name, const void *data, size_t size_bytes,
                     const skep_job_options *options, uint64_t *id) {
    static const skep_job_options defaults = {0};
    if (options == NULL) options = &defaults;
    int status = check_job(mock, queue_name, size_bytes, options);
    if (status != SKEP_OK) return status;
    struct skep__mock_queue *queue = skep__mock_queue(mock, queue_name);
    if (queue == NULL) return SKEP_ENOMEM;
    struct skep__mock_job *job = find_first(mock, queue, options->key);
    if (job != NULL) {
        queue->duplicates++;
        if (id != NULL) *id = job->id;
        return SKEP_EDUPLICATE;
    }
    job = new_job(mock, queue, data, size_bytes, options);
    if (job == NULL) return SKEP_ENOMEM;
    status = enter(mock, job, options->delay_ms);
    if (status == SKEP_OK && id != NULL) *id = job->id;
    return status;
}

int skep_mock_expect_duplicate(skep_mock *mock, uint64_t job, const char *queue, const void *data, size_t size_bytes,
                               const skep_job_options *options) {
    uint64_t id = 0;
    int status = skep_mock_submit(mock, queue, data, size_bytes, options, &id);
    if (status == SKEP_EDUPLICATE && id == job) return SKEP_OK;
    if (status != SKEP_OK && status != SKEP_EDUPLICATE) return status;
    skep__mock_explain(mock, "expected: not accepted, since job %" PRIu64 " has its key\ncame instead: ", job);
    if (status == SKEP_OK) skep__mock_explain_more(mock, "accepted as job %" PRIu64, id);
    else skep__mock_explain_more(mock, "not accepted, since job %" PRIu64 " has its key", id);
    return skep__mock_failed(mock, SKEP_EUNEXPECTED);
}

/* --- looking --- */

static uint64_t due_ms(const skep_mock *mock, const struct skep__mock_job *job) {
    if (job->state == SKEP_MOCK_RESERVED) return job->at_ms + skep__mock_lease_ms(mock, job);
    return job->state == SKEP_MOCK_DELAYED ? job->at_ms : 0;
}

/* Of one that waits each attempt was a delivery before the next; of another one the latest is not. */
static bool is_redelivered(const struct skep__mock_job *job) {
    bool waits = job->state == SKEP_MOCK_READY || job->state == SKEP_MOCK_DELAYED;
    return job->attempt > (waits ? 0 : 1);
}

int skep_mock_look(const skep_mock *mock, uint64_t id, skep_mock_job *info) {
    const struct skep__mock_job *job = skep__mock_job(mock, id);
    if (job == NULL) return SKEP_ENOJOB;
    *info = (skep_mock_job){.state = job->state,
                            .attempt = job->attempt,
                            .redelivered = is_redelivered(job),
                            .worker = job->worker,
                            .due_ms = due_ms(mock, job),
                            .result = job->result,
                            .size_bytes = job->result_bytes,
                            .reason = job->reason,
                            .cause = job->cause != NULL ? job->cause : "",
                            .failures = job->failures,
                            .deaths = job->deaths,
                            .interruptions = job->interruptions};
    return SKEP_OK;
}

/* --- freeing --- */

static void free_job(struct skep__mock_job *job) {
    for (struct skep__mock_waiter *waiter; (waiter = STAILQ_FIRST(&job->waiters)) != NULL;) {
        STAILQ_REMOVE_HEAD(&job->waiters, entry);
        free(waiter);
    }
    free(job->result);
    free(job);
}

void skep__mock_free_jobs(skep_mock *mock) {
    struct skep__mock_job *job = mock->jobs, *next;
    HASH_CLEAR(hh, mock->jobs);
    for (; job != NULL; job = next) {
        next = job->hh.next;
        free_job(job);
    }
    for (struct skep__mock_queue *queue; (queue = STAILQ_FIRST(&mock->queues)) != NULL;) {
        STAILQ_REMOVE_HEAD(&mock->queues, entry);
        free(queue);
    }
}
