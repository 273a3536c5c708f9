/* SPDX-License-Identifier: MIT
 * skep events: follows the news of a broker, a line an event.
 * What was before comes first, without a gap to what follows. */
#include <assert.h>

#include "command/common/follow.h"
#include "command/common/members.h"
#include "command/view/view.h"

struct reading {
    struct contact contact;
    struct follower follower;
    bool json, colours;
    uint32_t kinds;  /* those to print; 0: all */
    uint64_t worker; /* the one to print; 0: all */
    bool in_history; /* what comes is from before the beginning */
    uint64_t told;   /* items that were said to be lost */
    bool deaf;       /* the reader of the output has ended */
    int error;       /* errno of writing */
};

/* --- kinds of events: those that come by the news, which messages do not --- */

enum { KINDS_TEXT_BYTES = 256 };

static_assert(SKEP_EVENT_KINDS <= 32, "a set of kinds has 32 bits");

/* 0 for one of a broker of a later version. */
static uint32_t bit_of(struct skep_bytes name) {
    for (unsigned i = 0; i < SKEP_EVENT_KINDS; i++) {
        const char *kind = skep_event_name((enum skep_event_kind)i);
        if (i != SKEP_EVENT_MESSAGE && skep__text_is(name, kind)) return UINT32_C(1) << i;
    }
    return 0;
}

/* Reads names separated by commas into a set, a bit for each kind. False if one is unknown, or none is there. */
static bool kinds_parse(const char *names, uint32_t *kinds) {
    uint32_t found = 0;
    for (;;) {
        size_t length = strcspn(names, ",");
        uint32_t bit = bit_of((struct skep_bytes){names, length});
        if (bit == 0) return false;
        found |= bit;
        if (names[length] == '\0') break;
        names += length + 1;
    }
    *kinds = found;
    return true;
}

static void kinds_text(char text[KINDS_TEXT_BYTES]) {
    size_t used = 0;
    for (unsigned i = 0; i < SKEP_EVENT_KINDS; i++)
        if (i != SKEP_EVENT_MESSAGE)
            used += (size_t)snprintf(text + used, KINDS_TEXT_BYTES - used, "%s%s", used > 0 ? ", " : "",
                                     skep_event_name((enum skep_event_kind)i));
}

/* --- what is printed --- */

/* What an exit has not is null. */
static json_t *event_json(const struct skep_command_event *event) {
    static const char *const parts_of_exit[] = {"code", "signal", "delay_ms"};
    struct skep_command command = {.id = SKEP_COMMAND_event, .event = *event};
    json_t *object = members_of(&command);
    for (size_t i = 0; i < sizeof parts_of_exit / sizeof *parts_of_exit; i++) {
        bool is_missing = json_object_get(object, parts_of_exit[i]) == NULL;
        if (skep__text_is(event->event, "exit") && is_missing)
            json_object_set_new(object, parts_of_exit[i], json_null());
    }
    return object;
}

static void print(struct reading *reading, const struct skep_command_event *event) {
    if (reading->json) {
        print_json(event_json(event));
    } else {
        enum paint paint = notice_paint(event);
        char text[NOTICE_TEXT_BYTES];
        notice_text(event, text);
        printf("%s%s%s\n", paint_begin(reading->colours, paint), text, paint_end(reading->colours, paint));
    }
    reading->error = flush_output(&reading->deaf);
}

static bool is_over(const struct reading *reading) {
    return reading->deaf || reading->error != 0;
}

static bool is_wanted(const struct reading *reading, const struct skep_command_event *event) {
    if (reading->kinds != 0 && (reading->kinds & bit_of(event->event)) == 0) return false;
    return reading->worker == 0 || (SKEP_HAS(event, event, worker) && event->worker == reading->worker);
}

static void on_event(const struct skep_command_event *event, void *context) {
    struct reading *reading = context;
    if (!is_over(reading) && is_wanted(reading, event)) print(reading, event);
}

/* --- what is read --- */

static void tell_beginning(const struct reading *reading, uint64_t number) {
    const struct skep__instance *instance = &reading->contact.instance;
    say("events of %s in %s from number %" PRIu64 " on", instance->name, instance->dir, number);
}

/* What is kept is kept without gaps: if there is one, it is before the first. */
static void begin_at(struct reading *reading, uint64_t number) {
    uint64_t *latest = &reading->follower.at.latest;
    if (number > *latest + 1) say("events: %" PRIu64 " items are no longer kept", number - *latest - 1);
    tell_beginning(reading, number);
    reading->in_history = false;
    *latest = number - 1;
}

static void on_history(const struct skep_command *command, void *context) {
    struct reading *reading = context;
    uint64_t number = skep__news_number(command);
    if (command->id == SKEP_COMMAND_newsEnd) number = command->newsEnd.seq + 1;
    if (number == 0) return;
    if (reading->in_history) begin_at(reading, number);
    if (command->id != SKEP_COMMAND_newsEnd) follow_take(command, &reading->follower);
}

/* A number that the broker has not come to is one of an earlier broker: what follows is new. */
static int read_history(struct reading *reading) {
    struct skep_command question = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = reading->follower.at.latest}};
    reading->in_history = true;
    return contact_ask(&reading->contact, &question, ANSWER_TIMEOUT_MS, on_history, reading);
}

static int read_number(struct reading *reading) {
    int status = follow_begin(&reading->follower, &reading->contact, ignore_answer, NULL);
    if (status == SKEP_OK) tell_beginning(reading, reading->follower.at.latest + 1);
    return status;
}

/* A number that no worker has had yet is a mistake: nothing would come. Of what it wrote only that is asked for. */
static int check_worker(struct reading *reading) {
    struct skep_command question = {.id = SKEP_COMMAND_logs, .logs = {.worker = reading->worker}};
    SKEP_SET(logs, &question.logs, worker, reading->worker);
    SKEP_SET(logs, &question.logs, n, 1);
    bool is_known = contact_ask(&reading->contact, &question, ANSWER_TIMEOUT_MS, ignore_answer, NULL) != SKEP_ENOWORKER;
    return is_known ? 0 : fail(SKEP_ENOWORKER, "events: no worker %" PRIu64, reading->worker);
}

/* First the subscription, then what was before it: so nothing falls between the two. */
static int begin(struct reading *reading, const struct options *options) {
    if (!options->since_given && !options->once) return read_number(reading);
    int status = options->once ? SKEP_OK : follow_open(&reading->follower, &reading->contact);
    reading->follower.at.latest = options->since;
    return status == SKEP_OK ? read_history(reading) : status;
}

static void tell_lost(struct reading *reading) {
    uint64_t lost = reading->follower.at.lost - reading->told;
    if (lost > 0) say("events: %" PRIu64 " items are lost", lost);
    reading->told += lost;
}

static int follow(struct reading *reading) {
    int status = SKEP_OK;
    while (!is_over(reading) && (status == SKEP_OK || status == SKEP_ETIMEDOUT)) {
        status = follow_next(&reading->follower, SILENCE_MS);
        tell_lost(reading);
        if (status == SKEP_ETIMEDOUT && output_is_deaf()) reading->deaf = true;
    }
    return is_over(reading) ? SKEP_OK : status;
}

static int how_it_ended(const struct reading *reading, int status) {
    if (reading->error != 0)
        return fail(skep_status_of_errno(reading->error), "events: stdout: %s", strerror(reading->error));
    if (status == SKEP_OK || (status == SKEP_ECLOSED && reading->follower.stopped)) return 0;
    return contact_fail(&reading->contact, status);
}

static int set_filters(struct reading *reading, const struct options *options) {
    char known[KINDS_TEXT_BYTES];
    reading->worker = options->worker;
    if (options->kinds == NULL || kinds_parse(options->kinds, &reading->kinds)) return 0;
    kinds_text(known);
    return fail(SKEP_EINVAL, "events: --kind %s: expected a list, separated by commas, of %s", options->kinds, known);
}

int command_events(const struct options *options) {
    output_begin();
    struct reading reading = {.json = options->json, .colours = paint_wanted()};
    reading.follower = (struct follower){.heard = on_event, .context = &reading};
    int code = set_filters(&reading, options);
    if (code == 0) code = contact_open(&reading.contact, options);
    if (code != 0) return code;
    if (reading.worker != 0) code = check_worker(&reading);
    if (code == 0) {
        int status = begin(&reading, options);
        if (status == SKEP_OK && !options->once) status = follow(&reading);
        code = how_it_ended(&reading, status);
    }
    follow_close(&reading.follower);
    contact_close(&reading.contact);
    return code;
}
