/* SPDX-License-Identifier: MIT
 * The answer to `status` as one JSON object. */
#include "command/common/members.h"
#include "command/view/view.h"

/* Of the broker's own members, those that go on counting while workers come and go; in this order they are shown. */
static void move_totals(json_t *status) {
    static const char *const keys[] = {"accepted",     "requests",      "connections", "restarts", "messages",
                                       "redispatched", "stray_answers", "bad_frames",  "cut",      "unknown"};
    json_t *totals = json_object_get(status, "totals");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_object_set(totals, keys[i], json_object_get(status, keys[i]));
        json_object_del(status, keys[i]);
    }
}

/* The lists are there, empty, even if the broker has none. */
static void add_broker(json_t *status, const struct skep_command *broker) {
    json_object_update_new(status, members_of(broker));
    json_object_set_new(status, "groups", json_array());
    json_object_set_new(status, "listeners", json_array());
    json_object_set_new(status, "workers", json_array());
    json_object_set_new(status, "totals", json_object());
    json_object_set_new(status, "counters", json_object());
    json_object_set_new(status, "times", json_object());
    move_totals(status);
}

static void add_to_list(json_t *status, const char *list, const struct skep_command *command) {
    json_array_append_new(json_object_get(status, list), members_of(command));
}

/* The name is the user's own: a key must be terminated, and so it is copied. */
static void add_counter(json_t *status, const struct skep_command_counterStatus *counter) {
    json_t *name = json_of_bytes(counter->name);
    json_object_set_new(json_object_get(status, "counters"), json_string_value(name), json_of_count(counter->count));
    json_decref(name);
}

/* Workers come in the order of their ids, with what is told about each or after all: a search begins at the latest. */
static json_t *find_worker(struct status *status, uint64_t id) {
    json_t *workers = json_object_get(status->json, "workers");
    size_t count = json_array_size(workers);
    for (size_t i = 0; i < count; i++) {
        size_t at = (status->near + i) % count;
        if (number_of(json_array_get(workers, at), "id") != (json_int_t)id) continue;
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
    if (command->id == SKEP_COMMAND_brokerStatus) add_broker(json, command);
    else if (command->id == SKEP_COMMAND_groupStatus) add_to_list(json, "groups", command);
    else if (command->id == SKEP_COMMAND_listenerStatus) add_to_list(json, "listeners", command);
    else if (command->id == SKEP_COMMAND_workerStatus) add_to_list(json, "workers", command);
    else if (command->id == SKEP_COMMAND_counterStatus) add_counter(json, &command->counterStatus);
    else if (command->id == SKEP_COMMAND_handlingStatus) add_handling(status, &command->handlingStatus);
}
