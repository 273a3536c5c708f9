/* SPDX-License-Identifier: MIT
 * Outcomes: of jobs that were submitted here, wherever they are done. The broker that has one done tells the
 * submitter's by a message to an inbox that the job names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/nats/private.h"

static struct skep__awaited *find(struct skep__stream *stream, uint64_t number) {
    struct skep__awaited *awaited;
    HASH_FIND(hh, stream->awaited, &number, sizeof number, awaited);
    return awaited;
}

/* Its queue is in use as long as somebody waits. */
static void count(struct skep__stream *stream, struct skep__shelf *shelf, bool more) {
    shelf->pending_count += more ? 1u : UINT64_MAX;
    shelf->kept_count += more ? 1u : UINT64_MAX;
    skep__stream_note(stream, shelf);
}

static void forget(struct skep__stream *stream, struct skep__awaited *awaited) {
    HASH_DEL(stream->awaited, awaited);
    count(stream, awaited->shelf, false);
    free(awaited->early);
    free(awaited);
}

int skep__outcome_await(struct skep__stream *stream, struct skep__shelf *shelf, uint64_t number,
                        const struct skep__submission *submission, uint64_t submission_number) {
    struct skep__awaited *awaited = calloc(1, sizeof *awaited);
    if (awaited == NULL) return SKEP_ENOMEM;
    awaited->shelf = shelf;
    awaited->number = number;
    awaited->submission = submission_number;
    awaited->client = submission->client;
    HASH_ADD(hh, stream->awaited, number, sizeof awaited->number, awaited);
    if (!SKEP_IS_ADDED(awaited, hh)) {
        free(awaited);
        return SKEP_ENOMEM;
    }
    count(stream, shelf, true);
    return SKEP_OK;
}

/* --- telling --- */

/* The job becomes that of who waits here. */
static void tell_here(struct skep__stream *stream, struct skep__awaited *awaited, struct skep__job *job,
                      const char *cause, const struct skep_bytes *what) {
    const struct skep__store_events *events = stream->store.events;
    job->client = awaited->client;
    job->number = awaited->submission;
    job->wants_outcome = true;
    if (cause == skep__cancelled) events->cancelled(stream->store.context, job);
    else if (cause != NULL) events->died(stream->store.context, job, cause, what);
    else events->done(stream->store.context, job, what);
    forget(stream, awaited);
    stream->settles = true;
    skep__stream_turn(stream);
}

/* A job that is only told of. */
static struct skep__job *shadow_of(const struct skep__awaited *awaited, const struct skep_bytes *what) {
    struct skep__job *job = calloc(1, sizeof *job + what->size_bytes + 1);
    if (job == NULL) return NULL;
    job->queue = awaited->shelf->queue;
    job->id = awaited->id;
    job->size_bytes = (uint32_t)what->size_bytes;
    if (what->size_bytes > 0) memcpy(job->data, what->data, what->size_bytes);
    return job;
}

static void keep_early(struct skep__awaited *awaited, struct skep__job *job, const char *cause) {
    free(awaited->early);
    awaited->early = job;
    awaited->cause = cause;
}

void skep__outcome_accepted(struct skep__stream *stream, uint64_t number, uint64_t id) {
    struct skep__awaited *awaited = find(stream, number);
    if (awaited == NULL) return;
    struct skep__job *job = awaited->early;
    awaited->id = id;
    if (id == 0) {
        forget(stream, awaited);
    } else if (job != NULL) {
        const struct skep_bytes what = {job->data, job->size_bytes};
        job->id = id;
        awaited->early = NULL;
        tell_here(stream, awaited, job, awaited->cause, &what);
        free(job);
    }
}

/* The number of a job that was submitted here; 0: it was not. */
static uint64_t own_number(const struct skep__stream *stream, const char *reply) {
    if (reply == NULL || strncmp(reply, stream->inbox, stream->inbox_bytes) != 0) return 0;
    return strtoull(reply + stream->inbox_bytes + 2, NULL, 10);
}

/* What a job that ends leaves behind */
static struct skep_bytes left_by(const struct skep__held *held) {
    if (held->cause == NULL) return (struct skep_bytes){held->result, held->result != NULL ? held->result_bytes : 0};
    return held->death != NULL ? (struct skep_bytes){held->death->reason, held->death->size_bytes}
                               : (struct skep_bytes){0};
}

/* A broker that ends between this and the acknowledgement has told the truth: it was done. The other way round nobody
 * would be told. */
void skep__outcome_send(struct skep__stream *stream, struct skep__held *held) {
    const struct skep_bytes what = left_by(held);
    if (held->told || held->reply == NULL || held->lost || own_number(stream, held->reply) != 0) return;
    held->told = true;
    skep__report_send(stream, held->job->id, held->reply, held->cancelled ? skep__cancelled : held->cause, &what);
}

void skep__outcome_tell(struct skep__stream *stream, struct skep__job *job, const char *cause,
                        const struct skep_bytes *what) {
    const uint64_t number = own_number(stream, job->held->reply);
    struct skep__awaited *awaited = number != 0 ? find(stream, number) : NULL;
    if (awaited != NULL && awaited->id != 0) {
        tell_here(stream, awaited, job, cause, what);
        return;
    }
    job->wants_outcome = false;
    if (cause == skep__cancelled) stream->store.events->cancelled(stream->store.context, job);
    else if (cause != NULL) stream->store.events->died(stream->store.context, job, cause, what);
    else if (job->held->reply == NULL) stream->store.events->done(stream->store.context, job, what);
}

void skep__outcome_received(struct skep__stream *stream, uint64_t number, const struct skep__nats_received *received) {
    struct skep__awaited *awaited = find(stream, number);
    const char *cause = skep__nats_header(received, "Skep-Cause");
    if (received->reply != NULL) /* it is sent again, if this does not arrive */
        (void)!skep__nats_publish(
            stream->nats, &(struct skep__nats_message){.subject = received->reply, .data = "+", .size_bytes = 1});
    if (awaited == NULL) return;
    if (cause != NULL) cause = skep__stream_cause(cause);
    struct skep__job *job = shadow_of(awaited, &received->data);
    if (job == NULL) {
        skep__stream_trouble(stream, SKEP_ENOMEM, "an outcome is dropped");
    } else if (awaited->id == 0) {
        keep_early(awaited, job, cause);
    } else {
        const struct skep_bytes what = {job->data, job->size_bytes};
        tell_here(stream, awaited, job, cause, &what);
        free(job);
    }
}

void skep__outcomes_free(struct skep__stream *stream) {
    struct skep__awaited *awaited, *next;
    HASH_ITER(hh, stream->awaited, awaited, next) forget(stream, awaited);
}
