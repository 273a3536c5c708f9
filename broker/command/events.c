/* SPDX-License-Identifier: MIT
 * skep events: follows the news of a broker, a line an event.
 *
 * The news may drop items. They are numbered, so a gap shows when the next item comes; and since none may come, what
 * was missed is asked for after every silence too. */
#include <errno.h>
#include <inttypes.h>
#include <news_reader.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "contact.h"
#include "kinds.h"
#include "notice.h"
#include "print.h"
#include "say.h"
#include "subcommands.h"

enum { SILENCE_MS = 500, REPAIR_TIMEOUT_MS = 1000 };

struct follower {
    struct contact contact;
    skep__news_reader *news;
    bool json, colours;
    uint32_t kinds;  /* those to print; 0: all */
    uint64_t worker; /* the one to print; 0: all */
    bool in_history; /* what comes is from before the beginning */
    uint64_t latest; /* number of the latest item that was dealt with */
    bool stopped;    /* the broker said that it stops */
    bool deaf;       /* nobody reads the output any more */
    int error;       /* errno of writing */
};

static struct skep_bytes event_name(const struct skep_command *command) {
    return command->id == SKEP_COMMAND_event ? command->event.event : (struct skep_bytes){0};
}

/* 0 for what is no item of news */
static uint64_t number_of(const struct skep_command *command) {
    switch (command->id) {
    case SKEP_COMMAND_event: return command->event.seq;
    case SKEP_COMMAND_broadcast: return command->broadcast.seq;
    case SKEP_COMMAND_totals: return command->totals.seq;
    default: return 0;
    }
}

/* What could not be written to a reader that left is no error, now or when the program ends. */
static void go_deaf(struct follower *follower) {
    follower->deaf = true;
    __fpurge(stdout);
    clearerr(stdout);
}

static void print(struct follower *follower, const struct skep_command_event *event) {
    struct notice notice = notice_of_news(event);
    char text[NOTICE_TEXT_BYTES];
    if (follower->json) {
        json_t *object = notice_json(&notice);
        print_json(object);
        json_decref(object);
    } else {
        enum paint paint = notice_paint(&notice);
        notice_text(&notice, text);
        printf("%s%s%s\n", paint_begin(follower->colours, paint), text, paint_end(follower->colours, paint));
    }
    if (fflush(stdout) == 0) return;
    if (errno == EPIPE) go_deaf(follower);
    else follower->error = errno;
}

static bool is_wanted(const struct follower *follower, const struct skep_command_event *event) {
    if (follower->kinds != 0 && !kinds_have(follower->kinds, event->event)) return false;
    return follower->worker == 0 || (SKEP_HAS(event, event, worker) && event->worker == follower->worker);
}

/* An item that is the next one, or follows items that are lost for good. */
static void take(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    uint64_t number = number_of(command);
    if (number <= follower->latest) return;
    follower->latest = number;
    struct skep_bytes name = event_name(command);
    if (name.size_bytes == 0) return;
    if (is_wanted(follower, &command->event)) print(follower, &command->event);
    if (name.size_bytes == 4 && memcmp(name.data, "stop", 4) == 0) follower->stopped = true;
}

static void take_again(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    take(command, context);
    if (command->id != SKEP_COMMAND_newsEnd) return;
    if (SKEP_HAS(newsEnd, &command->newsEnd, lost) && command->newsEnd.lost > 0)
        say("events: %" PRIu64 " items of news are lost", command->newsEnd.lost);
    if (command->newsEnd.seq > follower->latest) follower->latest = command->newsEnd.seq;
}

/* A broker that does not answer either hangs, and will go on, or is gone, which the news will tell. */
static void repair(struct follower *follower) {
    struct skep_command question = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = follower->latest}};
    int status = contact_ask(&follower->contact, &question, REPAIR_TIMEOUT_MS, take_again, follower);
    (void)status;
}

static void on_item(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    if (number_of(command) > follower->latest + 1) repair(follower);
    take(command, context);
}

static void on_status(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    if (command->id == SKEP_COMMAND_brokerStatus) follower->latest = command->brokerStatus.newsSeq;
}

static void tell_beginning(const struct follower *follower, uint64_t number) {
    const struct skep__instance *instance = &follower->contact.instance;
    say("events of %s in %s from number %" PRIu64 " on", instance->name, instance->dir, number);
}

/* What is kept is kept without gaps: if there is one, it is before the first. */
static void on_history(const struct skep_command *command, void *context) {
    struct follower *follower = context;
    uint64_t number = number_of(command);
    if (command->id == SKEP_COMMAND_newsEnd) number = command->newsEnd.seq + 1;
    if (number == 0) return;
    if (follower->in_history) {
        if (number > follower->latest + 1)
            say("events: %" PRIu64 " items of news are not kept any more", number - follower->latest - 1);
        tell_beginning(follower, number);
        follower->in_history = false;
        follower->latest = number - 1;
    }
    take(command, context);
}

/* A number that the broker has not come to is one of an earlier broker: what follows is new. */
static int read_history(struct follower *follower) {
    struct skep_command question = {.id = SKEP_COMMAND_newsSince, .newsSince = {.seq = follower->latest}};
    follower->in_history = true;
    return contact_ask(&follower->contact, &question, ANSWER_TIMEOUT_MS, on_history, follower);
}

static int read_number(struct follower *follower) {
    struct skep_command question = {.id = SKEP_COMMAND_status};
    int status = contact_ask(&follower->contact, &question, ANSWER_TIMEOUT_MS, on_status, follower);
    if (status == SKEP_OK) tell_beginning(follower, follower->latest + 1);
    return status;
}

/* First the subscription, then what was before it: so nothing falls between the two. */
static int begin(struct follower *follower, const struct options *options) {
    char url[SKEP_MAX_URL + 1];
    bool has_history = options->since_given || options->once;
    skep__instance_url(&follower->contact.instance, SKEP_FILE_NEWS, url, sizeof url);
    int status = options->once ? SKEP_OK : skep__news_reader_new(&follower->news, url);
    if (status != SKEP_OK) return status;
    follower->latest = options->since;
    return has_history ? read_history(follower) : read_number(follower);
}

/* A reader that left is noticed when there is nothing to write, too. */
static void check_reader(struct follower *follower) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    if (poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0) follower->deaf = true;
}

static bool is_over(const struct follower *follower) {
    return follower->deaf || follower->error != 0;
}

static int follow(struct follower *follower) {
    int status = SKEP_OK;
    while (!is_over(follower) && (status == SKEP_OK || status == SKEP_ETIMEDOUT)) {
        status = skep__news_read(follower->news, SILENCE_MS, on_item, follower);
        if (status != SKEP_ETIMEDOUT) continue;
        repair(follower);
        check_reader(follower);
    }
    return is_over(follower) ? SKEP_OK : status;
}

static int how_it_ended(const struct follower *follower, int status) {
    if (follower->error != 0) return fail(SKEP_ESYS, "events: stdout: %s", strerror(follower->error));
    if (status == SKEP_OK || (status == SKEP_ECLOSED && follower->stopped)) return 0;
    return contact_fail(&follower->contact, status);
}

/* Every line has left by the end of the call that printed it: nothing is lost. */
static void on_signal(int signal) {
    (void)signal;
    _exit(0);
}

static int set_filters(struct follower *follower, const struct options *options) {
    char known[KINDS_TEXT_BYTES];
    follower->worker = options->worker;
    if (options->kinds == NULL || kinds_parse(options->kinds, &follower->kinds)) return 0;
    kinds_text(known);
    return fail(SKEP_EINVAL, "events: --kind %s: expected some of %s, with commas between", options->kinds, known);
}

int command_events(const struct options *options) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    struct follower follower = {.json = options->json, .colours = paint_wanted()};
    int code = set_filters(&follower, options);
    if (code == 0) code = contact_open(&follower.contact, options);
    if (code != 0) return code;
    int status = begin(&follower, options);
    if (status == SKEP_OK && !options->once) status = follow(&follower);
    code = how_it_ended(&follower, status);
    /* NNG 1.5.2 may never finish with a connection that is closed while a frame moves, and news may always come. */
    _exit(code);
}
