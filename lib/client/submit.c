/* SPDX-License-Identifier: MIT
 * Submissions: from the user into batches, and what becomes of them back to the user. */
#include "client/private.h"
#include "common/queue_options.h"

/* --- the ring of the unanswered --- */

static int grow_ring(skep_client *client) {
    size_t capacity = client->ring_capacity > 0 ? client->ring_capacity * 2 : 64;
    struct skep__client_submission *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < client->unanswered; i++)
        ring[i] = client->ring[(client->ring_head + i) & (client->ring_capacity - 1)];
    free(client->ring);
    client->ring = ring;
    client->ring_capacity = capacity;
    client->ring_head = 0;
    return SKEP_OK;
}

static struct skep__client_submission pop(skep_client *client) {
    struct skep__client_submission submission = client->ring[client->ring_head];
    client->ring_head = (client->ring_head + 1) & (client->ring_capacity - 1);
    client->unanswered--;
    client->first++;
    return submission;
}

/* --- submitting --- */

static const skep_job_options defaults;

/* Has a job of this kind's batch be the one that is filled. */
static int open_batch(skep_client *client, const char *queue, const skep_job_options *options, bool outcomes) {
    if (skep__client_batch_takes(client, queue, options, outcomes)) return SKEP_OK;
    if (client->filling != NULL) {
        skep__client_close_batch(client);
        skep__client_send_more(client);
    }
    return skep__client_begin_batch(client, queue, options, outcomes);
}

static int add_job(skep_client *client, const char *queue, const struct iovec *job, const skep_job_options *options,
                   struct skep__client_submission *submission, skep_outcome_cb outcome) {
    int status = SKEP_OK;
    if (client->unanswered == client->ring_capacity) status = grow_ring(client);
    if (status == SKEP_OK) status = open_batch(client, queue, options, outcome != NULL);
    if (status != SKEP_OK) return status;
    submission->unfinished = outcome != NULL ? malloc(sizeof *submission->unfinished) : NULL;
    if (outcome != NULL && submission->unfinished == NULL) return SKEP_ENOMEM;
    if (outcome != NULL)
        *submission->unfinished = (struct skep__unfinished){.outcome = outcome, .context = submission->context};
    struct skep__client_batch *batch = client->filling;
    size_t before_bytes = batch->items.size_bytes + batch->keys.size_bytes;
    status = skep__batch_add(batch, job->iov_base, job->iov_len, options->key);
    if (status != SKEP_OK) {
        free(submission->unfinished);
        return status;
    }
    client->unanswered_bytes += batch->items.size_bytes + batch->keys.size_bytes - before_bytes;
    client->unfinished_count += outcome != NULL;
    client->ring[(client->ring_head + client->unanswered++) & (client->ring_capacity - 1)] = *submission;
    return SKEP_OK;
}

static int submit(skep_client *client, const char *queue, const struct iovec *job, const skep_job_options *options,
                  skep_accepted_cb accepted, skep_outcome_cb outcome, void *context) {
    struct skep__client_submission submission = {.accepted = accepted, .context = context};
    char why[SKEP_MAX_REASON + 1];
    int status = skep__job_size_check(queue, job->iov_len, why);
    if (status != SKEP_OK) return skep__client_fail(client, status, "%s", why);
    if (client->unanswered_bytes > SKEP__CLIENT_MAX_BYTES || client->unanswered >= SKEP__CLIENT_MAX_JOBS) {
        client->sender_waits = true;
        return skep__client_fail(client, SKEP_EAGAIN, "%s: too many jobs are waiting to be accepted",
                                 client->instance.dir);
    }
    status = add_job(client, queue, job, options, &submission, outcome);
    if (status != SKEP_OK) return skep__client_fail(client, status, "job for %s: %s", queue, skep_strerror(status));
    skep__client_mark(client);
    return SKEP_OK;
}

static int begin_submit(skep_client *client, const char *queue, const skep_job_options *options) {
    char why[SKEP_MAX_REASON + 1];
    if (client->closing) return skep__client_fail(client, SKEP_ECLOSED, "the client is being freed");
    int status = skep__job_options_check(queue, options, why);
    return status == SKEP_OK ? status : skep__client_fail(client, status, "%s", why);
}

int skep_submit(skep_client *client, const char *queue, const void *data, size_t size_bytes,
                const skep_job_options *options, skep_accepted_cb accepted, skep_outcome_cb outcome, void *context) {
    if (options == NULL) options = &defaults;
    struct iovec job = {.iov_base = (void *)(uintptr_t)data, .iov_len = size_bytes};
    int status = begin_submit(client, queue, options);
    return status == SKEP_OK ? submit(client, queue, &job, options, accepted, outcome, context) : status;
}

int skep_submit_many(skep_client *client, const char *queue, const struct iovec *jobs, size_t count,
                     const skep_job_options *options, skep_accepted_cb accepted, skep_outcome_cb outcome, void *context,
                     size_t *submitted) {
    if (options == NULL) options = &defaults;
    size_t n = 0;
    int status = begin_submit(client, queue, options);
    if (status == SKEP_OK && options->key != NULL)
        status = skep__client_fail(client, SKEP_EINVAL, "key %s: not for many jobs", options->key);
    while (status == SKEP_OK && n < count) {
        status = submit(client, queue, &jobs[n], options, accepted, outcome, context);
        n += status == SKEP_OK;
    }
    if (submitted != NULL) *submitted = n;
    return status;
}

/* --- answers --- */

/* Of a job that is not in the table: it was never there, or its outcome may have been lost. */
static void finish(skep_client *client, struct skep__unfinished *unfinished, const skep_outcome *outcome) {
    skep_outcome_cb callback = unfinished->outcome;
    void *context = unfinished->context;
    free(unfinished);
    client->unfinished_count--;
    callback(client, outcome, context);
}

void skep__client_finish(skep_client *client, struct skep__unfinished *unfinished, const skep_outcome *outcome) {
    HASH_DEL(client->unfinished, unfinished);
    finish(client, unfinished, outcome);
}

static const skep_outcome unknown = {.status = SKEP_ECLOSED, .cause = "", .reason = ""};
static const skep_outcome forgotten = {.status = SKEP_ENOMEM, .cause = "", .reason = ""};

void skep__client_settle(skep_client *client, int status, uint64_t id, bool durable, const skep_outcome *outcome) {
    uint64_t number = client->first;
    struct skep__client_submission submission = pop(client);
    struct skep__unfinished *unfinished = submission.unfinished;
    if (outcome == NULL && number <= client->cut_through) outcome = &unknown;
    if (unfinished != NULL && outcome == NULL) {
        unfinished->number = number;
        unfinished->id = durable ? id : 0;
        unfinished->store = client->store;
        HASH_ADD(hh, client->unfinished, number, sizeof unfinished->number, unfinished);
        if (!SKEP_IS_ADDED(unfinished, hh)) outcome = &forgotten;
    }
    if (submission.accepted != NULL) submission.accepted(client, status, id, submission.context);
    if (unfinished != NULL && outcome != NULL) finish(client, unfinished, outcome);
}

/* Callbacks may submit again, to the next broker: only what is there now is meant. */
void skep__client_fail_submissions(skep_client *client) {
    skep__client_close_batch(client);
    for (uint64_t left = client->unanswered; left > 0; left--)
        skep__client_settle(client, SKEP_ECLOSED, 0, false, &unknown);
    skep__client_retire_batches(client);
}

void skep__client_fail_unfinished(skep_client *client) {
    struct skep__unfinished *unfinished, *next;
    HASH_ITER(hh, client->unfinished, unfinished, next) skep__client_finish(client, unfinished, &unknown);
}

static struct skep__client_submission *at(const skep_client *client, uint64_t index) {
    return &client->ring[(client->ring_head + index) & (client->ring_capacity - 1)];
}

static void fail_one(skep_client *client, const struct skep__client_submission *submission) {
    if (submission->accepted != NULL) submission->accepted(client, SKEP_ECLOSED, 0, submission->context);
    if (submission->unfinished != NULL) finish(client, submission->unfinished, &unknown);
}

/* Takes the submissions of a batch out of the ring, which are the index-th and those behind it. */
static void take_out(skep_client *client, uint64_t index, uint32_t count, struct skep__client_submission *out) {
    for (uint32_t i = 0; i < count; i++) out[i] = *at(client, index + i);
    for (uint64_t i = index + count; i < client->unanswered; i++) *at(client, i - count) = *at(client, i);
    client->unanswered -= count;
}

/* Callbacks come when all is in order again: they may submit. Without memory to remember them the jobs are sent again,
 * as they are without this. */
void skep__client_fail_sent(skep_client *client) {
    struct skep__client_submission *lost = malloc((client->unanswered + 1) * sizeof *lost);
    const uint64_t sent_through = client->sent_through, first = client->first;
    uint64_t index = 0, lost_count = 0, end = first;
    struct skep__client_batch *batch = STAILQ_FIRST(&client->batches), *next;
    if (lost == NULL) return;
    for (; batch != NULL && batch->number <= sent_through; batch = next) {
        next = STAILQ_NEXT(batch, entry);
        const uint32_t count = (uint32_t)(batch->number + batch->count - end); /* of the first some may be answered */
        end += count;
        if (batch->has_keys) {
            index += count;
            continue;
        }
        take_out(client, index, count, &lost[lost_count]);
        lost_count += count;
        skep__client_take_batch(client, batch);
    }
    if (lost_count > 0) skep__client_renumber(client);
    for (uint64_t i = 0; i < lost_count; i++) fail_one(client, &lost[i]);
    free(lost);
}
