/* SPDX-License-Identifier: MIT
 * The answer to `status` as JSON: the fixed names of skep status --json, and what the wire has beyond them. */
#include "command/common/fields.h"
#include "command/common/times.h"
#include "command/view/notice.h"
#include "command/view/status.h"

static void set_text(json_t *object, const char *key, struct skep_bytes text) {
    json_object_set_new(object, key, json_of_bytes(text));
}

/* They are there, empty, even if the broker has none. */
static void add_empty_lists(json_t *status) {
    json_object_set_new(status, "listeners", json_array());
    json_object_set_new(status, "workers", json_array());
    json_object_set_new(status, "totals", json_object());
    json_object_set_new(status, "counters", json_object());
    json_object_set_new(status, "times", json_object());
}

/* What steers it. A broker of an earlier version does not say how many workers it wants. */
static void add_steering(json_t *status, const struct skep_command_brokerStatus *broker) {
    bool is_open = SKEP_HAS(brokerStatus, broker, breaker_ms), reloads = SKEP_HAS(brokerStatus, broker, reloadSteps);
    if (SKEP_HAS(brokerStatus, broker, wanted)) set_number(status, "wanted", broker->wanted);
    if (SKEP_HAS(brokerStatus, broker, program)) set_text(status, "program", broker->program);
    json_object_set_new(status, "breaker_s", is_open ? json_of_ms(broker->breaker_ms) : json_null());
    json_object_set_new(status, "reload",
                        reloads ? json_pack("{s:I, s:I}", "step", (json_int_t)broker->reloadStep, "steps",
                                            (json_int_t)broker->reloadSteps)
                                : json_null());
}

static void add_broker(json_t *status, const struct skep_command_brokerStatus *broker) {
    set_text(status, "name", broker->name);
    set_number(status, "pid", broker->pid);
    set_text(status, "version", broker->version);
    set_text(status, "state", broker->state);
    json_object_set_new(status, "uptime_s", json_of_ms(broker->uptime_ms));
    set_text(status, "policy", broker->policy);
    add_steering(status, broker);
    add_empty_lists(status);
    json_t *totals = json_object_get(status, "totals");
    set_number(totals, "accepted", broker->accepted);
    set_number(totals, "requests", broker->requests);
    set_number(totals, "connections", broker->connections);
    set_number(totals, "restarts", broker->restarts);
    set_number(totals, "messages", broker->messages);
    set_number(totals, "redispatched", broker->redispatched);
    set_number(totals, "stray_answers", broker->strayAnswers);
    set_number(totals, "bad_frames", broker->badFrames);
    set_number(totals, "cut", broker->cut);
    set_number(totals, "unknown", broker->unknown);
}

static void add_listener(json_t *status, const struct skep_command_listenerStatus *listener) {
    json_t *object = json_object();
    set_text(object, "url", listener->url);
    set_number(object, "accepted", listener->accepted);
    set_number(object, "queued", listener->queued);
    json_object_set_new(object, "paused", json_boolean(listener->paused));
    json_object_set_new(object, "resting",
                        json_boolean(SKEP_HAS(listenerStatus, listener, resting) && listener->resting));
    if (SKEP_HAS(listenerStatus, listener, name)) set_text(object, "name", listener->name);
    json_array_append_new(json_object_get(status, "listeners"), object);
}

static void add_work(json_t *object, const struct skep_command_workerStatus *worker) {
    if (SKEP_HAS(workerStatus, worker, cpu_ms)) json_object_set_new(object, "cpu_s", json_of_ms(worker->cpu_ms));
    if (SKEP_HAS(workerStatus, worker, jobs)) set_number(object, "jobs", worker->jobs);
    if (SKEP_HAS(workerStatus, worker, jobsDone)) set_number(object, "jobs_done", worker->jobsDone);
    if (SKEP_HAS(workerStatus, worker, untaken)) set_number(object, "untaken", worker->untaken);
    if (SKEP_HAS(workerStatus, worker, drain_ms)) json_object_set_new(object, "drain_s", json_of_ms(worker->drain_ms));
    if (SKEP_HAS(workerStatus, worker, program)) set_text(object, "program", worker->program);
    if (SKEP_HAS(workerStatus, worker, silent_ms))
        json_object_set_new(object, "silent_s", json_of_ms(worker->silent_ms));
}

static void add_worker(json_t *status, const struct skep_command_workerStatus *worker) {
    json_t *object = json_object();
    set_number(object, "id", worker->worker);
    set_number(object, "pid", worker->pid);
    set_text(object, "state", worker->state);
    json_object_set_new(object, "uptime_s", json_of_ms(worker->uptime_ms));
    set_number(object, "restarts", worker->restarts);
    set_number(object, "connections", worker->connections);
    set_number(object, "accepted", worker->accepted);
    set_number(object, "requests", worker->requests);
    set_number(object, "rss_bytes", worker->rss_bytes);
    set_number(object, "slot", worker->slot);
    set_number(object, "messages", worker->messages);
    if (SKEP_HAS(workerStatus, worker, name)) set_text(object, "name", worker->name);
    add_work(object, worker);
    json_array_append_new(json_object_get(status, "workers"), object);
}

/* The name is the user's own: a key must be terminated, and so it is copied. */
static void add_counter(json_t *status, const struct skep_command_counterStatus *counter) {
    json_t *name = json_of_bytes(counter->name);
    if (name != NULL) set_number(json_object_get(status, "counters"), json_string_value(name), counter->count);
    json_decref(name);
}

static bool is_worker(const json_t *worker, uint64_t id) {
    return json_integer_value(json_object_get(worker, "id")) == (json_int_t)id;
}

/* Workers come in the order of their ids, with what is told about each or after all: a search begins at the latest. */
static json_t *find_worker(struct status *status, uint64_t id) {
    json_t *workers = json_object_get(status->json, "workers");
    size_t count = json_array_size(workers);
    for (size_t i = 0; i < count; i++) {
        size_t at = (status->near + i) % count;
        if (!is_worker(json_array_get(workers, at), id)) continue;
        status->near = at;
        return json_array_get(workers, at);
    }
    return NULL;
}

static json_t *times_of_worker(json_t *worker) {
    json_t *times = json_object_get(worker, "times");
    if (times == NULL && worker != NULL) json_object_set_new(worker, "times", times = json_object());
    return times;
}

/* A histogram that this version cannot read is left out. */
static void add_handling(struct status *status, const struct skep_command_handlingStatus *handling) {
    struct times times;
    bool of_one = SKEP_HAS(handlingStatus, handling, worker);
    json_t *to =
        of_one ? times_of_worker(find_worker(status, handling->worker)) : json_object_get(status->json, "times");
    json_t *what = json_of_bytes(handling->what);
    if (to != NULL && what != NULL && times_read(handling->times, &times) == SKEP_OK)
        json_object_set_new(to, json_string_value(what), times_json(&times));
    json_decref(what);
}

void status_add(struct status *status, const struct skep_command *command) {
    json_t *json = status->json;
    if (command->id == SKEP_COMMAND_brokerStatus) add_broker(json, &command->brokerStatus);
    else if (command->id == SKEP_COMMAND_listenerStatus) add_listener(json, &command->listenerStatus);
    else if (command->id == SKEP_COMMAND_workerStatus) add_worker(json, &command->workerStatus);
    else if (command->id == SKEP_COMMAND_counterStatus) add_counter(json, &command->counterStatus);
    else if (command->id == SKEP_COMMAND_handlingStatus) add_handling(status, &command->handlingStatus);
}
