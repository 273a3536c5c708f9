/* SPDX-License-Identifier: MIT
 * Questions about one job. */
#include <inttypes.h>

#include "client/private.h"
#include "common/text.h"

enum { MIDDLE = 128 /* of priorities on the wire */ };

/* A question that is under way */
struct asked {
    skep_client *client;
    skep_job_status_cb on_status;
    skep_job_cancel_cb on_cancel;
    void *context;
    bool is_answered;
};

/* --- answers --- */

/* Text that is terminated, of what an answer has */
struct texts {
    char queue[SKEP_MAX_NAME + 1], state[SKEP_MAX_NAME + 1], key[SKEP_MAX_NAME + 1], cause[SKEP_MAX_NAME + 1],
        reason[SKEP_MAX_REASON + 1];
};

static const char *copy(char *text, size_t capacity_bytes, const struct skep_bytes *bytes) {
    skep__copy_text(text, capacity_bytes, bytes);
    return text;
}

static skep_job_info info_of(const struct skep_command_jobStatus *s, struct texts *texts) {
    return (skep_job_info){
        .id = s->id,
        .queue = copy(texts->queue, sizeof texts->queue, &s->queue),
        .state = copy(texts->state, sizeof texts->state, &s->state),
        .attempt = (uint32_t)s->attempt,
        .failures = (uint32_t)s->failures,
        .deaths = (uint32_t)s->deaths,
        .interruptions = (uint32_t)s->interruptions,
        .priority = (int)s->priority - MIDDLE,
        .key = copy(texts->key, sizeof texts->key, &s->key),
        .age_ms = s->age_ms,
        .due_ms = s->due_ms,
        .begun_ms = s->begun_ms,
        .worker = (uint32_t)s->worker,
        .pid = (int32_t)s->pid,
        .code = SKEP_HAS(jobStatus, s, code) ? (int)s->code : -1,
        .signal = SKEP_HAS(jobStatus, s, signal) ? (int)s->signal : -1,
        .size_bytes = s->size,
        .cause = copy(texts->cause, sizeof texts->cause, &s->cause),
        .reason = copy(texts->reason, sizeof texts->reason, &s->reason),
        .ended_ms = s->died,
    };
}

static skep_job_info info_of_ended(const struct skep_command_jobEnded *e, struct texts *texts) {
    return (skep_job_info){
        .id = e->id,
        .queue = copy(texts->queue, sizeof texts->queue, &e->queue),
        .state = copy(texts->state, sizeof texts->state, &e->state),
        .attempt = (uint32_t)e->attempt,
        .key = "",
        .code = -1,
        .signal = -1,
        .cause = copy(texts->cause, sizeof texts->cause, &e->cause),
        .reason = copy(texts->reason, sizeof texts->reason, &e->reason),
        .result = e->result.data,
        .result_bytes = e->result.size_bytes,
        .ended_ms = e->ended,
    };
}

static void tell_status(struct asked *asked, const skep_job_info *info) {
    asked->is_answered = true;
    asked->on_status(asked->client, SKEP_OK, info, asked->context);
}

static void tell_cancelled(struct asked *asked, const struct skep_command_cancelled *c) {
    char was[SKEP_MAX_NAME + 1];
    skep__copy_text(was, sizeof was, &c->was);
    asked->is_answered = true;
    asked->on_cancel(asked->client, SKEP_OK, was, asked->context);
}

static void take(void *context, const struct skep_command *command) {
    struct asked *asked = context;
    struct texts texts;
    skep_job_info info;
    if (asked->is_answered) return;
    if (asked->on_cancel != NULL) {
        if (command->id == SKEP_COMMAND_cancelled) tell_cancelled(asked, &command->cancelled);
        return;
    }
    if (command->id != SKEP_COMMAND_jobStatus && command->id != SKEP_COMMAND_jobEnded) return;
    info = command->id == SKEP_COMMAND_jobStatus ? info_of(&command->jobStatus, &texts)
                                                 : info_of_ended(&command->jobEnded, &texts);
    tell_status(asked, &info);
}

static void answered(int status, const void *data, size_t size_bytes, void *context) {
    struct asked *asked = context;
    skep_client *client = asked->client;
    client->asks--;
    if (status == SKEP_OK) status = skep__client_read_answer(client, data, size_bytes, take, asked);
    else
        skep__client_fail(client, status, "%s: no answer about a job: %s", client->instance.dir, skep_strerror(status));
    if (status == SKEP_OK && !asked->is_answered) status = SKEP_EPROTO;
    if (!asked->is_answered && asked->on_cancel != NULL) asked->on_cancel(client, status, NULL, asked->context);
    else if (!asked->is_answered) asked->on_status(client, status, NULL, asked->context);
    free(asked);
    skep__client_update_due(client);
}

/* --- questions --- */

static int ask(const struct asked *like, const struct skep_command *command) {
    skep_client *client = like->client;
    struct asked *asked = malloc(sizeof *asked);
    if (asked == NULL) return skep__client_fail(client, SKEP_ENOMEM, "job: %s", skep_strerror(SKEP_ENOMEM));
    *asked = *like;
    int status = skep__client_ask(client, command, SKEP__CLIENT_TIMEOUT_MS, answered, asked);
    if (status != SKEP_OK) {
        free(asked);
        return status;
    }
    client->asks++;
    skep__client_update_due(client);
    return SKEP_OK;
}

int skep_job_status(skep_client *client, uint64_t id, skep_job_status_cb callback, void *context) {
    const struct skep_command command = {.id = SKEP_COMMAND_job, .job = {.id = id}};
    return ask(&(struct asked){.client = client, .on_status = callback, .context = context}, &command);
}

int skep_job_cancel(skep_client *client, uint64_t id, skep_job_cancel_cb callback, void *context) {
    const struct skep_command command = {.id = SKEP_COMMAND_cancelJob, .cancelJob = {.id = id}};
    return ask(&(struct asked){.client = client, .on_cancel = callback, .context = context}, &command);
}
