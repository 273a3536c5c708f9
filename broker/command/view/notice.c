/* SPDX-License-Identifier: MIT
 * Events as text: the log of `skep run` and the lines of `skep events` are made here, and nowhere else. */
#include "base/clock.h"
#include "command/view/view.h"
#include "common/signal_text.h"

struct skep_command_event notice_of(const skep_event *event) {
    struct skep_command_event e = {
        .time = skep__wall_ms(),
        .event = skep__text(skep_event_name(event->kind)),
        .group = skep__text(event->group),
        .worker = event->child != NULL ? skep_child_id(event->child) : 0,
        .pid = event->child != NULL ? (uint64_t)skep_child_pid(event->child) : 0,
        .reason = skep__text(event->reason),
        .url = skep__text(event->url),
        .phase = skep__text(event->phase),
        .queue = skep__text(event->queue),
    };
    if (event->code >= 0) SKEP_SET(event, &e, code, (uint64_t)event->code);
    if (event->signal >= 0) SKEP_SET(event, &e, signal, (uint64_t)event->signal);
    if (event->delay_ms >= 0) SKEP_SET(event, &e, delay_ms, (uint64_t)event->delay_ms);
    if (event->kind != SKEP_EVENT_RELOAD && event->kind != SKEP_EVENT_SCALE) return e;
    SKEP_SET(event, &e, step, event->step);
    SKEP_SET(event, &e, steps, event->steps);
    return e;
}

static int size_of(struct skep_bytes bytes) {
    return (int)bytes.size_bytes;
}

static void end_text(const struct skep_command_event *event, char *text, size_t room) {
    char name[SKEP__SIGNAL_BYTES];
    skep__signal_text((int)event->signal, name);
    int n = SKEP_HAS(event, event, signal) ? snprintf(text, room, "killed by %s", name)
                                           : snprintf(text, room, "exited with status %" PRIu64, event->code);
    size_t used = (size_t)n;
    if (event->reason.size_bytes > 0)
        used += (size_t)snprintf(text + used, room - used, " (%.*s)", size_of(event->reason), event->reason.data);
    if (SKEP_HAS(event, event, delay_ms))
        snprintf(text + used, room - used, ", replacement in %" PRIu64 " ms", event->delay_ms);
}

static void reload_text(const struct skep_command_event *event, char *text, size_t room) {
    int n = skep__text_is(event->phase, "step")
                ? snprintf(text, room, "reload")
                : snprintf(text, room, "reload %.*s", size_of(event->phase), event->phase.data);
    if (SKEP_HAS(event, event, steps))
        n += snprintf(text + n, room - (size_t)n, ", %" PRIu64 " of %" PRIu64, event->step, event->steps);
    if (event->reason.size_bytes > 0)
        snprintf(text + n, room - (size_t)n, ": %.*s", size_of(event->reason), event->reason.data);
}

/* The reason says the same in other words. */
static void scale_text(const struct skep_command_event *event, char *text, size_t room) {
    snprintf(text, room, "scaled from %" PRIu64 " to %" PRIu64 " workers", event->steps, event->step);
}

/* The reason says what was paused and what that means; a broker that gives none names it at least. */
static void pause_text(const struct skep_command_event *event, char *text, size_t room) {
    struct skep_bytes what = event->reason.size_bytes > 0  ? event->reason
                             : event->queue.size_bytes > 0 ? event->queue
                                                           : event->url;
    snprintf(text, room, "%sd: %.*s", skep__text_is(event->event, "pause") ? "pause" : "resume", size_of(what),
             what.data);
}

/* Events that a word or two tell, or that are made of more than a reason */
static const struct {
    const char *event, *words;
    void (*tell)(const struct skep_command_event *event, char *text, size_t room);
} wordings[] = {
    {"setup", "set up", NULL},
    {"fork", "started", NULL},
    {"online", "online", NULL},
    {"ready", "ready", NULL},
    {"drain", "draining", NULL},
    {"stop", "stopping", NULL},
    {"disconnect", "disconnected", NULL},
    {"exit", NULL, end_text},
    {"reload", NULL, reload_text},
    {"scale", NULL, scale_text},
    {"pause", NULL, pause_text},
    {"resume", NULL, pause_text},
};

static void event_text(const struct skep_command_event *event, char *text, size_t room) {
    struct skep_bytes name = event->event, reason = event->reason;
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings; i++) {
        if (!skep__text_is(name, wordings[i].event)) continue;
        if (wordings[i].tell != NULL) wordings[i].tell(event, text, room);
        else snprintf(text, room, "%s", wordings[i].words);
        return;
    }
    if (skep__text_is(name, "listening"))
        snprintf(text, room, "listening on %.*s", size_of(event->url), event->url.data);
    else if (reason.size_bytes == 0) snprintf(text, room, "%.*s", size_of(name), name.data);
    else if (skep__text_is(name, "dead")) snprintf(text, room, "dead letter: %.*s", size_of(reason), reason.data);
    else if (skep__text_is(name, "signal"))
        snprintf(text, room, "%s%.*s", event->worker != 0 ? "sent " : "", size_of(reason), reason.data);
    else if (skep__text_is(name, "breaker"))
        snprintf(text, room, "breaker %.*s: %.*s", size_of(event->phase), event->phase.data, size_of(reason),
                 reason.data);
    else snprintf(text, room, "%.*s: %.*s", size_of(name), name.data, size_of(reason), reason.data);
}

static enum paint exit_paint(const struct skep_command_event *event) {
    if (skep__text_is(event->reason, "voluntary") || skep__text_is(event->reason, "killed")) return PAINT_NONE;
    return SKEP_HAS(event, event, code) && event->code == 0 ? PAINT_WARN : PAINT_BAD;
}

enum paint notice_paint(const struct skep_command_event *event) {
    static const struct {
        const char *word; /* an event or its phase */
        enum paint paint;
    } paints[] = {{"error", PAINT_BAD},   {"dead", PAINT_BAD},    {"opened", PAINT_BAD},
                  {"aborted", PAINT_BAD}, {"pause", PAINT_WARN},  {"stop", PAINT_WARN},
                  {"ready", PAINT_GOOD},  {"closed", PAINT_GOOD}, {"done", PAINT_GOOD}};
    if (skep__text_is(event->event, "exit")) return exit_paint(event);
    for (size_t i = 0; i < sizeof paints / sizeof *paints; i++)
        if (skep__text_is(event->event, paints[i].word) || skep__text_is(event->phase, paints[i].word))
            return paints[i].paint;
    return PAINT_NONE;
}

/* The room is enough for the longest reason and URL that the protocol allows. */
void notice_text(const struct skep_command_event *event, char text[NOTICE_TEXT_BYTES]) {
    char time[TIME_BYTES];
    time_text(event->time, time);
    struct skep_bytes group = event->group;
    int n = snprintf(text, NOTICE_TEXT_BYTES, "%s ", time);
    if (event->worker != 0)
        n += snprintf(text + n, NOTICE_TEXT_BYTES - (size_t)n, "%.*s%sworker %" PRIu64 " pid %" PRIu64 ": ",
                      size_of(group), group.data, group.size_bytes > 0 ? " " : "", event->worker, event->pid);
    else if (group.size_bytes > 0)
        n += snprintf(text + n, NOTICE_TEXT_BYTES - (size_t)n, "group %.*s: ", size_of(group), group.data);
    else n += snprintf(text + n, NOTICE_TEXT_BYTES - (size_t)n, "broker: ");
    event_text(event, text + n, NOTICE_TEXT_BYTES - (size_t)n);
    make_printable(text);
}
