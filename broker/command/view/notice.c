/* SPDX-License-Identifier: MIT
 * Events as text: the log of `skep run` and the lines of `skep events` are made here, and nowhere else. */
#include "command/view/notice.h"
#include "common/signal_text.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/common/clocks.h"
#include "command/common/say.h"

struct notice notice_of_event(const skep_event *event) {
    bool is_exit = event->kind == SKEP_EVENT_EXIT;
    return (struct notice){
        .time_ms = wall_clock_ms(),
        .event = skep__text(skep_event_name(event->kind)),
        .worker = event->child != NULL ? skep_child_id(event->child) : 0,
        .pid = event->child != NULL ? (int)skep_child_pid(event->child) : 0,
        .code = is_exit ? event->code : -1,
        .signal = is_exit ? event->signal : -1,
        .reason = skep__text(event->reason),
        .url = skep__text(event->url),
        .uptime_ms = event->uptime_ms,
        .delay_ms = is_exit ? event->delay_ms : -1,
        .phase = skep__text(event->phase),
        .queue = skep__text(event->queue),
        .has_steps = event->kind == SKEP_EVENT_RELOAD || event->kind == SKEP_EVENT_SCALE,
        .step = event->step,
        .steps = event->steps,
    };
}

struct notice notice_of_news(const struct skep_command_event *event) {
    return (struct notice){
        .seq = event->seq,
        .time_ms = event->time,
        .event = event->event,
        .worker = SKEP_HAS(event, event, worker) ? (uint32_t)event->worker : 0,
        .pid = SKEP_HAS(event, event, pid) ? (int)event->pid : 0,
        .code = SKEP_HAS(event, event, code) ? (int)event->code : -1,
        .signal = SKEP_HAS(event, event, signal) ? (int)event->signal : -1,
        .reason = SKEP_HAS(event, event, reason) ? event->reason : skep__text(NULL),
        .url = SKEP_HAS(event, event, url) ? event->url : skep__text(NULL),
        .uptime_ms = SKEP_HAS(event, event, uptime_ms) ? event->uptime_ms : 0,
        .delay_ms = SKEP_HAS(event, event, delay_ms) ? (int64_t)event->delay_ms : -1,
        .phase = SKEP_HAS(event, event, phase) ? event->phase : skep__text(NULL),
        .queue = SKEP_HAS(event, event, queue) ? event->queue : skep__text(NULL),
        .has_steps = SKEP_HAS(event, event, steps),
        .step = SKEP_HAS(event, event, step) ? (uint32_t)event->step : 0,
        .steps = SKEP_HAS(event, event, steps) ? (uint32_t)event->steps : 0,
    };
}

/* Events that a word or two tell */
static const struct {
    const char *event;
    const char *words;
} wordings[] = {
    {"setup", "set up"},   {"fork", "started"},  {"online", "online"},           {"ready", "ready"},
    {"drain", "draining"}, {"stop", "stopping"}, {"disconnect", "disconnected"},
};

static int size_of(struct skep_bytes bytes) {
    return (int)bytes.size_bytes;
}

static void end_text(const struct notice *notice, char *text, size_t room) {
    char name[SKEP__SIGNAL_BYTES];
    skep__signal_text(notice->signal, name);
    int n = notice->signal >= 0 ? snprintf(text, room, "killed by %s", name)
                                : snprintf(text, room, "exited with status %d", notice->code);
    size_t used = (size_t)n;
    if (notice->reason.size_bytes > 0)
        used += (size_t)snprintf(text + used, room - used, " (%.*s)", size_of(notice->reason), notice->reason.data);
    if (notice->delay_ms >= 0) snprintf(text + used, room - used, ", replacement in %" PRId64 " ms", notice->delay_ms);
}

static void reload_text(const struct notice *notice, char *text, size_t room) {
    int n = skep__text_is(notice->phase, "step")
                ? snprintf(text, room, "reload")
                : snprintf(text, room, "reload %.*s", size_of(notice->phase), notice->phase.data);
    if (notice->has_steps)
        n += snprintf(text + n, room - (size_t)n, ", %" PRIu32 " of %" PRIu32, notice->step, notice->steps);
    if (notice->reason.size_bytes > 0)
        snprintf(text + n, room - (size_t)n, ": %.*s", size_of(notice->reason), notice->reason.data);
}

/* The reason says the same in other words. */
static void scale_text(const struct notice *notice, char *text, size_t room) {
    snprintf(text, room, "scaled from %" PRIu32 " to %" PRIu32 " workers", notice->steps, notice->step);
}

/* The reason says what was paused and what that means; a broker that gives none names it at least. */
static void pause_text(const struct notice *notice, char *text, size_t room) {
    struct skep_bytes what = notice->reason.size_bytes > 0  ? notice->reason
                             : notice->queue.size_bytes > 0 ? notice->queue
                                                            : notice->url;
    snprintf(text, room, "%sd: %.*s", skep__text_is(notice->event, "pause") ? "pause" : "resume", size_of(what),
             what.data);
}

/* Events that have words of their own, made of more than a reason */
static bool told_by_parts(const struct notice *notice, char *text, size_t room) {
    static const struct {
        const char *event;
        void (*tell)(const struct notice *notice, char *text, size_t room);
    } tellers[] = {{"exit", end_text},
                   {"reload", reload_text},
                   {"scale", scale_text},
                   {"pause", pause_text},
                   {"resume", pause_text}};
    for (size_t i = 0; i < sizeof tellers / sizeof *tellers; i++) {
        if (!skep__text_is(notice->event, tellers[i].event)) continue;
        tellers[i].tell(notice, text, room);
        return true;
    }
    return false;
}

static void event_text(const struct notice *notice, char *text, size_t room) {
    struct skep_bytes event = notice->event, reason = notice->reason;
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings; i++)
        if (skep__text_is(event, wordings[i].event)) {
            snprintf(text, room, "%s", wordings[i].words);
            return;
        }
    if (told_by_parts(notice, text, room)) return;
    if (skep__text_is(event, "listening"))
        snprintf(text, room, "listening on %.*s", size_of(notice->url), notice->url.data);
    else if (reason.size_bytes == 0) snprintf(text, room, "%.*s", size_of(event), event.data);
    else if (skep__text_is(event, "dead")) snprintf(text, room, "dead letter: %.*s", size_of(reason), reason.data);
    else if (skep__text_is(event, "signal"))
        snprintf(text, room, "%s%.*s", notice->worker != 0 ? "sent " : "", size_of(reason), reason.data);
    else if (skep__text_is(event, "breaker"))
        snprintf(text, room, "breaker %.*s: %.*s", size_of(notice->phase), notice->phase.data, size_of(reason),
                 reason.data);
    else snprintf(text, room, "%.*s: %.*s", size_of(event), event.data, size_of(reason), reason.data);
}

static enum paint exit_paint(const struct notice *notice) {
    if (skep__text_is(notice->reason, "voluntary") || skep__text_is(notice->reason, "killed")) return PAINT_NONE;
    return notice->code == 0 ? PAINT_WARN : PAINT_BAD;
}

enum paint notice_paint(const struct notice *notice) {
    static const struct {
        const char *word; /* an event or its phase */
        enum paint paint;
    } paints[] = {{"error", PAINT_BAD},   {"dead", PAINT_BAD},    {"opened", PAINT_BAD},
                  {"aborted", PAINT_BAD}, {"pause", PAINT_WARN},  {"stop", PAINT_WARN},
                  {"ready", PAINT_GOOD},  {"closed", PAINT_GOOD}, {"done", PAINT_GOOD}};
    if (skep__text_is(notice->event, "exit")) return exit_paint(notice);
    for (size_t i = 0; i < sizeof paints / sizeof *paints; i++)
        if (skep__text_is(notice->event, paints[i].word) || skep__text_is(notice->phase, paints[i].word))
            return paints[i].paint;
    return PAINT_NONE;
}

/* The room is enough for the longest reason and URL that the protocol allows. */
void notice_text(const struct notice *notice, char text[NOTICE_TEXT_BYTES]) {
    char time[TIME_BYTES];
    time_text(notice->time_ms, time);
    int n = notice->worker != 0
                ? snprintf(text, NOTICE_TEXT_BYTES, "%s worker %" PRIu32 " pid %d: ", time, notice->worker, notice->pid)
                : snprintf(text, NOTICE_TEXT_BYTES, "%s broker: ", time);
    event_text(notice, text + n, NOTICE_TEXT_BYTES - (size_t)n);
    make_printable(text);
}
