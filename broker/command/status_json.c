/* SPDX-License-Identifier: MIT
 * The answer to `status` as JSON: the fixed names of skep status --json, and what the wire has beyond them. */
#include "notice.h"
#include "status.h"

static void set(json_t *object, const char *key, uint64_t number) {
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_text(json_t *object, const char *key, struct skep_bytes text) {
    json_object_set_new(object, key, json_of_bytes(text));
}

/* Both are there, empty, even if the broker has neither. */
static void add_empty_lists(json_t *status) {
    json_object_set_new(status, "listeners", json_array());
    json_object_set_new(status, "workers", json_array());
    json_object_set_new(status, "totals", json_object());
    json_object_set_new(status, "counters", json_object());
}

static void add_broker(json_t *status, const struct skep_command_brokerStatus *broker) {
    set_text(status, "name", broker->name);
    set(status, "pid", broker->pid);
    set_text(status, "version", broker->version);
    set_text(status, "state", broker->state);
    json_object_set_new(status, "uptime_s", json_of_ms(broker->uptime_ms));
    set_text(status, "policy", broker->policy);
    add_empty_lists(status);
    json_t *totals = json_object_get(status, "totals");
    set(totals, "accepted", broker->accepted);
    set(totals, "requests", broker->requests);
    set(totals, "connections", broker->connections);
    set(totals, "restarts", broker->restarts);
    set(totals, "messages", broker->messages);
    set(totals, "redispatched", broker->redispatched);
    set(totals, "stray_answers", broker->strayAnswers);
    set(totals, "bad_frames", broker->badFrames);
    set(totals, "unknown", broker->unknown);
}

static void add_listener(json_t *status, const struct skep_command_listenerStatus *listener) {
    json_t *object = json_object();
    set_text(object, "url", listener->url);
    set(object, "accepted", listener->accepted);
    set(object, "queued", listener->queued);
    json_object_set_new(object, "paused", json_boolean(listener->paused));
    if (SKEP_HAS(listenerStatus, listener, name)) set_text(object, "name", listener->name);
    json_array_append_new(json_object_get(status, "listeners"), object);
}

static void add_worker(json_t *status, const struct skep_command_workerStatus *worker) {
    json_t *object = json_object();
    set(object, "id", worker->worker);
    set(object, "pid", worker->pid);
    set_text(object, "state", worker->state);
    json_object_set_new(object, "uptime_s", json_of_ms(worker->uptime_ms));
    set(object, "restarts", worker->restarts);
    set(object, "connections", worker->connections);
    set(object, "accepted", worker->accepted);
    set(object, "requests", worker->requests);
    set(object, "rss_bytes", worker->rss_bytes);
    set(object, "slot", worker->slot);
    set(object, "messages", worker->messages);
    if (SKEP_HAS(workerStatus, worker, name)) set_text(object, "name", worker->name);
    json_array_append_new(json_object_get(status, "workers"), object);
}

/* The name is the user's own: a key must be terminated, and so it is copied. */
static void add_counter(json_t *status, const struct skep_command_counterStatus *counter) {
    json_t *name = json_of_bytes(counter->name);
    if (name != NULL) set(json_object_get(status, "counters"), json_string_value(name), counter->count);
    json_decref(name);
}

void status_add(json_t *status, const struct skep_command *command) {
    if (command->id == SKEP_COMMAND_brokerStatus) add_broker(status, &command->brokerStatus);
    else if (command->id == SKEP_COMMAND_listenerStatus) add_listener(status, &command->listenerStatus);
    else if (command->id == SKEP_COMMAND_workerStatus) add_worker(status, &command->workerStatus);
    else if (command->id == SKEP_COMMAND_counterStatus) add_counter(status, &command->counterStatus);
}
