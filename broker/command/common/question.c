/* SPDX-License-Identifier: MIT
 * One question to a broker whose answer is a list. */
#include "command/common/question.h"

#include <inttypes.h>

#include "command/common/fields.h"
#include "command/common/print.h"
#include "command/common/times.h"
#include "command/common/utf8.h"
#include "command/view/notice.h"
#include "common/signal_text.h"

struct gathering {
    enum skep_command_id kind;
    json_t *(*convert)(const struct skep_command *command);
    json_t *list;
    bool failed; /* no memory */
};

static void gather(const struct skep_command *command, void *context) {
    struct gathering *gathering = context;
    if (command->id != gathering->kind) return;
    if (json_array_append_new(gathering->list, gathering->convert(command)) != 0) gathering->failed = true;
}

int ask_list(struct contact *contact, const struct skep_command *question, enum skep_command_id kind,
             json_t *(*convert)(const struct skep_command *command), json_t **list) {
    struct gathering gathering = {.kind = kind, .convert = convert, .list = json_array()};
    int status =
        gathering.list == NULL ? SKEP_ENOMEM : contact_ask(contact, question, ANSWER_TIMEOUT_MS, gather, &gathering);
    if (status == SKEP_OK && gathering.failed) status = SKEP_ENOMEM;
    if (status == SKEP_OK) *list = gathering.list;
    else json_decref(gathering.list);
    return status == SKEP_OK ? 0 : contact_fail(contact, status);
}

/* A histogram that this version cannot read is left out. */
static void add_times(json_t *object, const struct skep_command_queueStatus *queue) {
    struct times times;
    if (SKEP_HAS(queueStatus, queue, times) && times_read(queue->times, &times) == SKEP_OK)
        json_object_set_new(object, "times", times_json(&times));
}

/* A limit that there is none of is null. */
static void set_limit(json_t *object, const char *key, uint64_t limit) {
    if (limit > 0) set_number(object, key, limit);
    else json_object_set_new(object, key, json_null());
}

static void add_settings(json_t *object, const struct skep_command_queueStatus *queue) {
    json_object_set_new(object, "configured",
                        json_boolean(SKEP_HAS(queueStatus, queue, configured) && queue->configured));
    json_object_set_new(object, "lease_s", json_of_ms(queue->lease_ms));
    set_number(object, "attempts", queue->attempts);
    set_limit(object, "concurrency", queue->concurrency);
    set_number(object, "credit", queue->credit);
    json_object_set_new(object, "backoff_s", json_of_ms(queue->backoff_ms));
    json_object_set_new(object, "backoff_max_s", json_of_ms(queue->backoff_max_ms));
    set_limit(object, "interruptions", queue->interruptions);
}

json_t *queue_json(const struct skep_command *command) {
    const struct skep_command_queueStatus *queue = &command->queueStatus;
    json_t *object = json_object();
    json_object_set_new(object, "name", json_of_bytes(queue->name));
    set_number(object, "ready", queue->ready);
    set_number(object, "reserved", queue->reserved);
    set_number(object, "delayed", queue->delayed);
    set_number(object, "dead", queue->dead);
    set_number(object, "done", queue->done);
    set_number(object, "redelivered", queue->redelivered);
    json_object_set_new(object, "oldest_s", json_of_ms(queue->oldest_ms));
    set_number(object, "workers", queue->workers);
    set_number(object, "submitted", queue->submitted);
    set_number(object, "duplicates", queue->duplicates);
    set_number(object, "declined", queue->declined);
    set_number(object, "refused", queue->refused);
    set_number(object, "unclaimed", queue->unclaimed);
    set_number(object, "taken_back", queue->taken_back);
    set_number(object, "interrupted", queue->interrupted);
    set_number(object, "bytes", queue->bytes);
    json_object_set_new(object, "paused", json_boolean(SKEP_HAS(queueStatus, queue, paused) && queue->paused));
    add_settings(object, queue);
    add_times(object, queue);
    return object;
}

/* Of a payload that is longer than what is shown, the last character may be cut in two. */
static struct skep_bytes beginning(const struct skep_command_jobStatus *job) {
    struct skep_bytes data = job->data;
    if (job->size > data.size_bytes) data.size_bytes = utf8_whole(data.data, data.size_bytes);
    return utf8_is_text(data.data, data.size_bytes) ? data : job->data;
}

static void add_end(json_t *object, const struct skep_command_jobStatus *job) {
    char name[SKEP__SIGNAL_BYTES];
    if (SKEP_HAS(jobStatus, job, pid)) set_number(object, "pid", job->pid);
    if (SKEP_HAS(jobStatus, job, code)) set_number(object, "code", job->code);
    if (SKEP_HAS(jobStatus, job, uptime_ms)) json_object_set_new(object, "uptime_s", json_of_ms(job->uptime_ms));
    if (!SKEP_HAS(jobStatus, job, signal)) return;
    skep__signal_text((int)job->signal, name);
    json_object_set_new(object, "signal", json_string(name));
}

static void add_death(json_t *object, const struct skep_command_jobStatus *job) {
    char time[32];
    if (SKEP_HAS(jobStatus, job, cause)) json_object_set_new(object, "cause", json_of_bytes(job->cause));
    if (SKEP_HAS(jobStatus, job, reason)) json_object_set_new(object, "reason", json_of_bytes(job->reason));
    add_end(object, job);
    if (!SKEP_HAS(jobStatus, job, died)) return;
    time_text(job->died, time);
    json_object_set_new(object, "died", json_string(time));
}

enum { MIDDLE_PRIORITY = 128 }; /* on the wire; people call it 0 */

json_t *job_json(const struct skep_command *command) {
    const struct skep_command_jobStatus *job = &command->jobStatus;
    json_t *object = json_object();
    set_number(object, "id", job->id);
    json_object_set_new(object, "queue", json_of_bytes(job->queue));
    json_object_set_new(object, "state", json_of_bytes(job->state));
    json_object_set_new(object, "priority", json_integer((json_int_t)job->priority - MIDDLE_PRIORITY));
    set_number(object, "attempt", job->attempt);
    set_number(object, "deaths", job->deaths);
    set_number(object, "interruptions", job->interruptions);
    json_object_set_new(object, "age_s", json_of_ms(job->age_ms));
    if (SKEP_HAS(jobStatus, job, due_ms)) json_object_set_new(object, "due_s", json_of_ms(job->due_ms));
    if (SKEP_HAS(jobStatus, job, worker)) set_number(object, "worker", job->worker);
    set_number(object, "size", job->size);
    set_data(object, "data", beginning(job));
    add_death(object, job);
    return object;
}
