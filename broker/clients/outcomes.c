/* SPDX-License-Identifier: MIT
 * Outcomes of jobs: they go to the submitter, and to all that wait with a copy. */
#include "clients/private.h"

/* An outcome that is being told */
struct outcome {
    const struct skep__job *job;
    const char *cause;               /* NULL: it is done */
    const struct skep_bytes *result; /* or the reason of its death */
};

static void tell_died(struct skep__session *session, uint64_t number, const struct outcome *o) {
    struct skep_command command = {.id = SKEP_COMMAND_died, .died = {.number = number, .cause = skep__text(o->cause)}};
    if (o->result->size_bytes > 0) SKEP_SET(died, &command.died, reason, *o->result);
    skep__session_tell(session, &command);
}

static void tell_primary(skep_cluster *cluster, uint64_t number, const struct outcome *o) {
    struct skep_bytes cause = o->cause != NULL ? skep__text(o->cause) : (struct skep_bytes){0};
    if (o->cause != NULL) skep__primary_outcome(cluster, number, o->job->id, SKEP_EDEAD, &cause);
    else skep__primary_outcome(cluster, number, o->job->id, SKEP_OK, o->result);
}

static void tell_one(skep_cluster *cluster, uint32_t client, uint64_t number, const struct outcome *o) {
    if (client == 0) {
        tell_primary(cluster, number, o);
        return;
    }
    struct skep__session *session = skep__session_by_id(cluster, client);
    if (session != NULL) skep__answers_hurry(session);
    if (session != NULL && o->cause != NULL) tell_died(session, number, o);
    else if (session == NULL || !skep__session_gather(session, number, o->result)) skep__job_unclaimed(o->job);
}

/* The submitter of a job with a key is one of those who wait for it. */
static void tell_all(skep_cluster *cluster, const struct outcome *o) {
    if (o->job->key == NULL) tell_one(cluster, o->job->client, o->job->number, o);
    for (const struct skep__waiter *waiter = NULL;
         (waiter = skep__jobs_next_waiter(cluster->jobs, o->job, waiter)) != NULL;)
        tell_one(cluster, waiter->client, waiter->number, o);
    for (struct skep__waiter awaiting; skep__jobs_next_awaiting(cluster->jobs, o->job->id, &awaiting);)
        tell_one(cluster, awaiting.client, awaiting.number, o);
}

static void finished(void *cluster, const struct skep__job *job, const struct skep_bytes *result) {
    tell_all(cluster, &(struct outcome){.job = job, .result = result});
}

static void died(void *cluster, const struct skep__job *job, const char *cause, const struct skep_bytes *reason) {
    tell_all(cluster, &(struct outcome){.job = job, .cause = cause, .result = reason});
}

/* The job has ended before it was asked for. */
static void recalled(void *context, const struct skep__waiter *waiter, const struct skep__job_end *end) {
    struct skep__session *session = skep__session_by_id(context, waiter->client);
    const struct outcome o = {.cause = end->cause, .result = &end->result};
    if (session == NULL) return;
    if (end->status == SKEP_EDEAD) tell_died(session, waiter->number, &o);
    else if (end->status != SKEP_OK) skep__session_forgotten(session, waiter->number, end->status);
    else (void)skep__session_gather(session, waiter->number, &end->result); /* what is dropped was said */
    skep__sessions_flush(context);
}

static void settled(void *cluster) {
    skep__sessions_flush(cluster);
}

const struct skep__job_events skep__client_job_events = {
    .finished = finished, .died = died, .recalled = recalled, .settled = settled};
