/* SPDX-License-Identifier: MIT
 * A mock broker's jobs: submitted by the test or by clients, looked at, remembered when they are over. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "common/queue_options.h"
#include "mock/private.h"

struct skep__mock_job *skep__mock_find_job(const skep_mock *mock, uint64_t id) {
    struct skep__mock_job *job;
    HASH_FIND(hh, mock->jobs, &id, sizeof id, job);
    return job;
}

int skep__mock_no_job(skep_mock *mock, uint64_t id) {
    skep__mock_explain(mock, "no job %" PRIu64 " was submitted", id);
    return skep__mock_failed(mock, SKEP_ENOJOB);
}

/* --- submitting --- */

static struct skep__mock_job *new_job(const struct skep__mock_submission *s) {
    struct skep__mock_job *job = calloc(1, sizeof *job + s->data.size_bytes);
    if (job == NULL) return NULL;
    memcpy(job->queue, s->queue, strlen(s->queue));
    if (s->data.size_bytes > 0) memcpy(job->data, s->data.data, s->data.size_bytes);
    job->size_bytes = s->data.size_bytes;
    job->client = s->client;
    return job;
}

static int remember(skep_mock *mock, struct skep__mock_job *job) {
    mock->last_job = job->id;
    HASH_ADD(hh, mock->jobs, id, sizeof job->id, job);
    return SKEP_IS_ADDED(job, hh) ? SKEP_OK : SKEP_ENOMEM;
}

struct put {
    struct skep__put put;
    struct skep__answer *answer;
};

static void answered(struct skep__put *put, const struct skep__answer *answer) {
    *SKEP_CONTAINER(put, struct put, put)->answer = *answer;
}

/* The mock wants each outcome, for the test; the client's number tells whom else it is told. */
static void put(skep_mock *mock, struct skep__queue *queue, struct skep__mock_submission *s) {
    const skep_job_options *o = s->options;
    const struct skep_bytes key = {o->key, o->key != NULL ? strlen(o->key) : 0};
    struct put put = {.put = {answered}, .answer = &s->answer};
    struct skep__batch batch = {.jobs = {.count = 1, .borrowed = &s->data},
                                .keys = {.count = key.size_bytes > 0, .borrowed = &key}};
    batch.common = (struct skep__submission){.number = s->number != 0 ? s->number : ++mock->last_number,
                                             .client = s->number != 0 ? s->client : 0,
                                             .delay_ms = o->delay_ms,
                                             .ttl_ms = o->ttl_ms,
                                             .lease_ms = o->lease_ms,
                                             .attempts = skep__jobs_attempts(mock->ledger, queue, o->attempts),
                                             .priority = (uint8_t)(o->priority + SKEP__PRIORITY_MIDDLE),
                                             .wants_outcome = true};
    skep__jobs_submit(mock->ledger, queue, &batch, &put.put);
}

int skep__mock_put_job(skep_mock *mock, struct skep__mock_submission *s) {
    int status;
    struct skep__queue *queue = skep__jobs_get_queue(mock->ledger, s->queue, strlen(s->queue), &status);
    if (queue == NULL) return status;
    struct skep__mock_job *job = new_job(s);
    if (job == NULL) return SKEP_ENOMEM;
    put(mock, queue, s);
    job->id = s->answer.id;
    status = s->answer.status == SKEP_OK ? remember(mock, job) : s->answer.status;
    if (status != SKEP_OK) free(job);
    skep__jobs_dispatch_queue(mock->ledger, queue);
    return status;
}

static int check_job(skep_mock *mock, const char *queue, size_t size_bytes, const skep_job_options *options) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__job_options_check(queue, options, why);
    if (status == SKEP_OK) status = skep__job_size_check(queue, size_bytes, why);
    if (status != SKEP_OK) skep__mock_explain(mock, "%s", why);
    return status;
}

int skep_mock_submit(skep_mock *mock, const char *queue, const void *data, size_t size_bytes,
                     const skep_job_options *options, uint64_t *id) {
    static const skep_job_options defaults = {0};
    struct skep__mock_submission submission = {
        .queue = queue, .data = {data, size_bytes}, .options = options != NULL ? options : &defaults};
    int status = check_job(mock, queue, size_bytes, submission.options);
    if (status != SKEP_OK) return status;
    status = skep__mock_put_job(mock, &submission);
    if ((status == SKEP_OK || status == SKEP_EDUPLICATE) && id != NULL) *id = submission.answer.id;
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

/* Of one that waits each attempt was a delivery before the next; of another one the latest is not. */
static bool is_redelivered(const struct skep__job *job) {
    bool waits = job->state == SKEP__JOB_READY || job->state == SKEP__JOB_DELAYED;
    return job->attempt > (waits ? 0u : 1u);
}

static skep_mock_job look_at(const skep_mock *mock, const struct skep__mock_job *known, const struct skep__job *job) {
    static const skep_mock_job_state states[] = {[SKEP__JOB_READY] = SKEP_MOCK_READY,
                                                 [SKEP__JOB_RESERVED] = SKEP_MOCK_RESERVED,
                                                 [SKEP__JOB_DELAYED] = SKEP_MOCK_DELAYED,
                                                 [SKEP__JOB_DEAD] = SKEP_MOCK_DEAD};
    uint64_t due_ms = skep__job_due_ms(mock->ledger, job);
    return (skep_mock_job){.state = states[job->state],
                           .attempt = job->attempt,
                           .redelivered = is_redelivered(job),
                           .worker = known->worker,
                           .due_ms = due_ms > 0 ? due_ms - (skep__clock_ms(mock->clock) - skep_mock_now(mock)) : 0,
                           .reason = known->reason,
                           .cause = "",
                           .failures = job->failures,
                           .deaths = job->deaths,
                           .interruptions = job->interruptions};
}

int skep_mock_look(const skep_mock *mock, uint64_t id, skep_mock_job *info) {
    const struct skep__mock_job *known = skep__mock_find_job(mock, id);
    if (known == NULL) return SKEP_ENOJOB;
    const struct skep__job *job = known->is_over ? NULL : skep__jobs_find(mock->ledger, id);
    *info = job != NULL ? look_at(mock, known, job) : known->end;
    return SKEP_OK;
}

/* --- over --- */

void skep__mock_set_reason(struct skep__mock_job *job, const struct skep_bytes *reason) {
    size_t size_bytes = reason->size_bytes < SKEP_MAX_REASON ? reason->size_bytes : SKEP_MAX_REASON;
    if (size_bytes > 0) memcpy(job->reason, reason->data, size_bytes);
    job->reason[size_bytes] = '\0';
}

static void keep_result(struct skep__mock_job *job, const struct skep_bytes *result) {
    if (result->data == NULL) return;
    job->result = calloc(1, result->size_bytes + 1);
    if (job->result == NULL) return;
    if (result->size_bytes > 0) memcpy(job->result, result->data, result->size_bytes);
    job->end.result = job->result;
    job->end.size_bytes = result->size_bytes;
}

void skep__mock_job_ends(skep_mock *mock, const struct skep__job *job, const char *cause,
                         const struct skep_bytes *bytes) {
    struct skep__mock_job *known = skep__mock_find_job(mock, job->id);
    if (known == NULL) return;
    known->end = look_at(mock, known, job);
    known->end.due_ms = 0;
    known->end.state = cause != NULL ? SKEP_MOCK_DEAD : SKEP_MOCK_DONE;
    known->is_over = true;
    if (cause == NULL) {
        keep_result(known, bytes);
        return;
    }
    known->end.cause = cause;
    skep__mock_set_reason(known, bytes);
}

void skep__mock_free_jobs(skep_mock *mock) {
    struct skep__mock_job *job = mock->jobs, *next;
    HASH_CLEAR(hh, mock->jobs);
    for (; job != NULL; job = next) {
        next = job->hh.next;
        free(job->result);
        free(job);
    }
}
