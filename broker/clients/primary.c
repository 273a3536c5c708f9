/* SPDX-License-Identifier: MIT
 * Jobs of the primary's own. */
#include <string.h>

#include "base/why.h"
#include "clients/private.h"
#include "common/container.h"
#include "common/queue_options.h"

/* An outcome that the primary waits for */
struct skep__awaited {
    uint64_t number, id;
    UT_hash_handle hh;
    skep_cluster_outcome_cb callback;
    void *context;
};

void skep__primary_outcome(skep_cluster *cluster, uint64_t number, uint64_t id, int status,
                           const struct skep_bytes *data) {
    struct skep__awaited *awaited;
    HASH_FIND(hh, cluster->clients->awaited, &number, sizeof number, awaited);
    if (awaited == NULL) return;
    HASH_DEL(cluster->clients->awaited, awaited);
    awaited->callback(cluster, id, status, data->data, data->size_bytes, awaited->context);
    free(awaited);
}

void skep__primary_forget(skep_cluster *cluster) {
    for (struct skep__awaited *awaited; (awaited = cluster->clients->awaited) != NULL;) {
        HASH_DEL(cluster->clients->awaited, awaited);
        awaited->callback(cluster, awaited->id, SKEP_ECLOSED, NULL, 0, awaited->context);
        free(awaited);
    }
}

int skep__primary_check(skep_cluster *cluster, const char *queue, size_t size_bytes, const skep_job_options *options) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__job_options_check(queue, options, why);
    if (status == SKEP_OK) status = skep__job_size_check(queue, size_bytes, why);
    return status == SKEP_OK ? status : skep__broker_fail(cluster, status, "%s", why);
}

static struct skep__submission submission_of(skep_cluster *cluster, const void *data, size_t size_bytes,
                                             const skep_job_options *options) {
    return (struct skep__submission){
        .data = data,
        .size_bytes = size_bytes,
        .key = options->key,
        .key_bytes = options->key != NULL ? strlen(options->key) : 0,
        .number = ++cluster->clients->next_number,
        .delay_ms = options->delay_ms,
        .ttl_ms = options->ttl_ms,
        .lease_ms = options->lease_ms,
        .attempts = (uint16_t)options->attempts,
        .priority = (uint8_t)(options->priority + SKEP__PRIORITY_MIDDLE),
    };
}

static struct skep__awaited *await(skep_cluster *cluster, uint64_t number, skep_cluster_outcome_cb callback,
                                   void *context) {
    struct skep__awaited *awaited = malloc(sizeof *awaited);
    if (awaited == NULL) return NULL;
    *awaited = (struct skep__awaited){.number = number, .callback = callback, .context = context};
    HASH_ADD(hh, cluster->clients->awaited, number, sizeof awaited->number, awaited);
    if (SKEP_IS_ADDED(awaited, hh)) return awaited;
    free(awaited);
    return NULL;
}

/* --- answers of the store --- */

/* A submission that is being put */
struct own_put {
    struct skep__put put;
    skep_cluster *cluster;
    struct skep__queue *queue;
    uint64_t number;
    bool wants_outcome;
    struct skep__answer answer;
};

/* Whether an outcome follows, if it is wanted; and else why none does. */
static int status_of(const struct own_put *own) {
    const struct skep__answer *answer = &own->answer;
    if (answer->status != SKEP_EDUPLICATE || !own->wants_outcome) return answer->status;
    if (answer->waits) return SKEP_OK;
    return strcmp(answer->ended, "done") == 0 ? SKEP_EDUPLICATE : SKEP_EDEAD;
}

static void answered(struct skep__put *put, const struct skep__answer *answer) {
    struct own_put *own = SKEP_CONTAINER(put, struct own_put, put);
    own->answer = *answer;
    skep__jobs_refused(own->cluster->jobs, answer->status);
}

static void set_id(skep_cluster *cluster, uint64_t number, uint64_t id) {
    struct skep__awaited *awaited;
    HASH_FIND(hh, cluster->clients->awaited, &number, sizeof number, awaited);
    if (awaited != NULL) awaited->id = id;
}

static void say_declined(const struct own_put *own, int status) {
    if (skep__may_say(own->cluster, &own->cluster->clients->declined_said_ms))
        skep__emit_error(own->cluster, NULL, "a job for queue %s is not stored: %s", skep__queue_name(own->queue),
                         skep_strerror(status));
}

/* The call has returned: who awaits no outcome can be told by an event only. */
static void answered_later(struct skep__put *put, const struct skep__answer *answer) {
    struct own_put *own = SKEP_CONTAINER(put, struct own_put, put);
    answered(put, answer);
    int status = status_of(own);
    struct skep_bytes why = skep__text(answer->ended != NULL ? answer->ended : "");
    if (status == SKEP_OK) set_id(own->cluster, own->number, answer->id);
    else if (own->wants_outcome) skep__primary_outcome(own->cluster, own->number, answer->id, status, &why);
    else if (status != SKEP_EDUPLICATE && status != SKEP_ECLOSED) say_declined(own, status);
    free(own);
}

/* --- submitting --- */

static int put_later(const struct own_put *like, const struct skep__batch *batch) {
    struct own_put *own = malloc(sizeof *own);
    if (own == NULL) return SKEP_ENOMEM;
    *own = *like;
    own->put.answered = answered_later;
    skep__jobs_submit(own->cluster->jobs, own->queue, batch, &own->put);
    return SKEP_OK;
}

static int put(skep_cluster *cluster, const char *name, struct skep__submission *submission, uint64_t *id) {
    const struct skep_bytes data = {submission->data, submission->size_bytes};
    const struct skep_bytes key = {submission->key, submission->key_bytes};
    int status;
    struct skep__queue *queue = skep__jobs_get_queue(cluster->jobs, name, strlen(name), &status);
    if (queue == NULL) return status;
    if (cluster->stopping) return SKEP_ESTATE;
    submission->attempts = skep__jobs_attempts(cluster->jobs, queue, submission->attempts);
    struct skep__batch batch = {.common = *submission,
                                .jobs = {.count = 1, .borrowed = &data},
                                .keys = {.count = key.size_bytes > 0, .borrowed = &key}};
    struct own_put own = {.put = {answered},
                          .cluster = cluster,
                          .queue = queue,
                          .number = submission->number,
                          .wants_outcome = submission->wants_outcome};
    if (skep__queue_is_durable(queue)) return put_later(&own, &batch);
    skep__jobs_submit(cluster->jobs, queue, &batch, &own.put);
    *id = own.answer.id;
    if (own.answer.status == SKEP_OK) skep__jobs_dispatch_queue(cluster->jobs, queue);
    return status_of(&own);
}

int skep__primary_submit(skep_cluster *cluster, const char *queue, const void *data, size_t size_bytes,
                         const skep_job_options *options, uint64_t *id, skep_cluster_outcome_cb outcome,
                         void *context) {
    uint64_t given = 0;
    struct skep__submission submission = submission_of(cluster, data, size_bytes, options);
    struct skep__awaited *awaited = outcome != NULL ? await(cluster, submission.number, outcome, context) : NULL;
    if (outcome != NULL && awaited == NULL) return SKEP_ENOMEM;
    submission.wants_outcome = outcome != NULL;
    int status = put(cluster, queue, &submission, &given);
    if (status != SKEP_OK && awaited != NULL) {
        HASH_DEL(cluster->clients->awaited, awaited);
        free(awaited);
    }
    if (status == SKEP_OK && awaited != NULL && given != 0) set_id(cluster, submission.number, given);
    bool is_there = status == SKEP_OK || status == SKEP_EDUPLICATE || status == SKEP_EDEAD;
    if (id != NULL && is_there) *id = given;
    return status == SKEP_OK ? status : skep__broker_fail(cluster, status, "%s: %s", queue, skep_strerror(status));
}
