/* SPDX-License-Identifier: MIT
 * skep status: asks a broker how everything is, once or again and again. */
#include <poll.h>
#include <stdlib.h>

#include "command/common/members.h"
#include "command/view/view.h"

enum { USUAL_EVERY_MS = 1000 };

/* --- the answer as one JSON object --- */

struct status {
    json_t *json; /* begins empty */
    size_t near;  /* the worker that was told about last: what follows is about it or the next one */
};

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

static void on_answer(const struct skep_command *command, void *context) {
    struct status *status = context;
    json_t *json = status->json;
    if (command->id == SKEP_COMMAND_brokerStatus) add_broker(json, command);
    else if (command->id == SKEP_COMMAND_groupStatus) add_to_list(json, "groups", command);
    else if (command->id == SKEP_COMMAND_listenerStatus) add_to_list(json, "listeners", command);
    else if (command->id == SKEP_COMMAND_workerStatus) add_to_list(json, "workers", command);
    else if (command->id == SKEP_COMMAND_counterStatus) add_counter(json, &command->counterStatus);
    else if (command->id == SKEP_COMMAND_handlingStatus) add_handling(status, &command->handlingStatus);
}

/* --- once --- */

static int ask(struct contact *contact, json_t **report) {
    struct status answer = {.json = json_object()};
    struct skep_command question = {.id = SKEP_COMMAND_status};
    SKEP_SET(status, &question.status, times, true);
    int status =
        answer.json != NULL ? contact_ask(contact, &question, ANSWER_TIMEOUT_MS, on_answer, &answer) : SKEP_ENOMEM;
    if (status == SKEP_OK && json_object_get(answer.json, "pid") == NULL) status = SKEP_EPROTO;
    if (status == SKEP_OK) *report = answer.json;
    else json_decref(answer.json);
    return status;
}

static void write_report(FILE *file, json_t *report, const struct options *options, const char *dir) {
    if (options->json) write_json(file, report);
    else status_write_text(file, report, dir, paint_wanted(), window_size().ws_col);
}

static int show_once(struct contact *contact, const struct options *options) {
    json_t *report = NULL;
    int status = ask(contact, &report);
    if (status != SKEP_OK) return contact_fail(contact, status);
    write_report(stdout, report, options, contact->instance.dir);
    json_decref(report);
    return 0;
}

/* --- watching --- */

static int end_of_watch(const struct contact *contact, int status) {
    if (status != SKEP_ECLOSED || !contact_has_stopped(contact)) return contact_fail(contact, status);
    say("status: broker pid %d in %s has stopped", (int)contact->instance.pid, contact->instance.dir);
    return 0;
}

static int show_frame(json_t *report, const struct options *options, const char *dir, bool *deaf) {
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *file = open_memstream(&text, &size_bytes);
    if (file == NULL) return fail(SKEP_ENOMEM, "status: %s", skep_strerror(SKEP_ENOMEM));
    write_report(file, report, options, dir);
    int code = fclose(file) == 0 ? watch_show(text, size_bytes, deaf)
                                 : fail(SKEP_ENOMEM, "status: %s", skep_strerror(SKEP_ENOMEM));
    free(text);
    return code;
}

static int watch(struct contact *contact, const struct options *options) {
    unsigned every_ms = options->every_ms != 0 ? options->every_ms : USUAL_EVERY_MS;
    bool deaf = false;
    for (;;) {
        json_t *report = NULL;
        int status = ask(contact, &report);
        if (status != SKEP_OK) return end_of_watch(contact, status);
        int code = show_frame(report, options, contact->instance.dir, &deaf);
        json_decref(report);
        if (code != 0 || deaf) return code;
        poll(NULL, 0, (int)every_ms);
    }
}

int command_status(const struct options *options) {
    if (options->every_ms != 0 && !options->watch)
        return fail(SKEP_EINVAL, "status: --every needs --watch; see skep help status");
    if (options->watch) watch_begin();
    return contact_run(options, options->watch ? watch : show_once);
}
