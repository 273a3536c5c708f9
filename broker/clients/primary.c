/* SPDX-License-Identifier: MIT
 * Jobs of the primary's own. */
#include <stdlib.h>
#include <string.h>

#include "base/why.h"
#include "clients/primary.h"
#include "clients/session.h"
#include "common/queue_options.h"
#include "config/settings.h"
#include "jobs/ledger.h"

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
    HASH_FIND(hh, cluster->awaited, &number, sizeof number, awaited);
    if (awaited == NULL) return;
    HASH_DEL(cluster->awaited, awaited);
    awaited->callback(cluster, id, status, data->data, data->size_bytes, awaited->context);
    free(awaited);
}

void skep__primary_forget(skep_cluster *cluster) {
    for (struct skep__awaited *awaited; (awaited = cluster->awaited) != NULL;) {
        HASH_DEL(cluster->awaited, awaited);
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
        .number = ++cluster->next_number,
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
    HASH_ADD(hh, cluster->awaited, number, sizeof awaited->number, awaited);
    if (SKEP_IS_ADDED(awaited, hh)) return awaited;
    free(awaited);
    return NULL;
}

static void forget(skep_cluster *cluster, struct skep__awaited *awaited) {
    if (awaited == NULL) return;
    HASH_DEL(cluster->awaited, awaited);
    free(awaited);
}

static int put(skep_cluster *cluster, const char *name, struct skep__submission *submission, uint64_t *id) {
    struct skep__queue *queue = skep__ledger_queue(cluster, name, strlen(name));
    int status = cluster->queues->failure;
    if (queue != NULL) submission->attempts = skep__ledger_attempts(cluster, queue, submission->attempts);
    if (queue != NULL) status = skep__ledger_submit(cluster, queue, submission, id);
    if (status == SKEP_OK) skep__dispatch_jobs(cluster, queue);
    bool waits = status == SKEP_EDUPLICATE && submission->wants_outcome;
    const char *cause;
    if (waits) status = skep__ledger_wait(cluster, queue, submission, &cause);
    if (waits && status == SKEP_ENOJOB) status = SKEP_EDUPLICATE;
    return status == SKEP_OK ? status : skep__broker_fail(cluster, status, "%s: %s", name, skep_strerror(status));
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
    if (status != SKEP_OK) forget(cluster, awaited);
    else if (awaited != NULL) awaited->id = given;
    bool is_there = status == SKEP_OK || status == SKEP_EDUPLICATE || status == SKEP_EDEAD;
    if (id != NULL && is_there) *id = given;
    return status;
}
