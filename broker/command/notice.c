/* SPDX-License-Identifier: MIT
 * Events as text: the log of `skep run` and the lines of `skep events` are made here, and nowhere else. */
#include "notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "say.h"

static struct skep_bytes bytes_of(const char *text) {
    return (struct skep_bytes){.data = text, .size_bytes = text != NULL ? strlen(text) : 0};
}

struct notice notice_of_event(const skep_event *event) {
    bool is_exit = event->kind == SKEP_EVENT_EXIT;
    return (struct notice){
        .time_ms = wall_clock_ms(),
        .event = bytes_of(skep_event_name(event->kind)),
        .worker = event->child != NULL ? skep_child_id(event->child) : 0,
        .pid = event->child != NULL ? (int)skep_child_pid(event->child) : 0,
        .code = is_exit ? event->code : -1,
        .signal = is_exit ? event->signal : -1,
        .reason = bytes_of(event->reason),
        .url = bytes_of(event->url),
        .uptime_ms = event->uptime_ms,
        .delay_ms = is_exit ? event->delay_ms : -1,
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
        .reason = SKEP_HAS(event, event, reason) ? event->reason : bytes_of(NULL),
        .url = SKEP_HAS(event, event, url) ? event->url : bytes_of(NULL),
        .uptime_ms = SKEP_HAS(event, event, uptime_ms) ? event->uptime_ms : 0,
        .delay_ms = SKEP_HAS(event, event, delay_ms) ? (int64_t)event->delay_ms : -1,
    };
}

uint64_t wall_clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void time_text(uint64_t time_ms, char text[32]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    char whole[24];
    if (gmtime_r(&seconds, &parts) == NULL || strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        strcpy(whole, "?"); /* a year that has no four digits */
    snprintf(text, 32, "%s.%03uZ", whole, (unsigned)(time_ms % 1000));
}

void signal_text(int signal, char text[16]) {
    const char *name = sigabbrev_np(signal);
    if (name != NULL) snprintf(text, 16, "SIG%s", name);
    else snprintf(text, 16, "SIG%d", signal);
}

/* Events that a word or two tell */
static const struct {
    const char *event;
    const char *words;
} wordings[] = {
    {"setup", "set up"},   {"fork", "started"},  {"online", "online"},           {"ready", "ready"},
    {"drain", "draining"}, {"stop", "stopping"}, {"disconnect", "disconnected"},
};

static bool is(struct skep_bytes bytes, const char *text) {
    return bytes.size_bytes == strlen(text) && memcmp(bytes.data, text, bytes.size_bytes) == 0;
}

static int size_of(struct skep_bytes bytes) {
    return (int)bytes.size_bytes;
}

static size_t end_text(const struct notice *notice, char *text, size_t room) {
    char name[16];
    signal_text(notice->signal, name);
    int n = notice->signal >= 0 ? snprintf(text, room, "killed by %s", name)
                                : snprintf(text, room, "exited with status %d", notice->code);
    size_t used = (size_t)n;
    if (notice->reason.size_bytes > 0)
        used += (size_t)snprintf(text + used, room - used, " (%.*s)", size_of(notice->reason), notice->reason.data);
    if (notice->delay_ms >= 0)
        used += (size_t)snprintf(text + used, room - used, ", replacement in %" PRId64 " ms", notice->delay_ms);
    return used;
}

static void event_text(const struct notice *notice, char *text, size_t room) {
    struct skep_bytes event = notice->event, reason = notice->reason;
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings; i++)
        if (is(event, wordings[i].event)) {
            snprintf(text, room, "%s", wordings[i].words);
            return;
        }
    if (is(event, "exit")) end_text(notice, text, room);
    else if (is(event, "listening")) snprintf(text, room, "listening on %.*s", size_of(notice->url), notice->url.data);
    else if (reason.size_bytes == 0) snprintf(text, room, "%.*s", size_of(event), event.data);
    else if (is(event, "dead")) snprintf(text, room, "dead letter: %.*s", size_of(reason), reason.data);
    else snprintf(text, room, "%.*s: %.*s", size_of(event), event.data, size_of(reason), reason.data);
}

/* The room is enough for the longest reason and URL that the protocol allows. */
void notice_text(const struct notice *notice, char text[NOTICE_TEXT_BYTES]) {
    char time[32];
    time_text(notice->time_ms, time);
    int n = notice->worker != 0
                ? snprintf(text, NOTICE_TEXT_BYTES, "%s worker %" PRIu32 " pid %d: ", time, notice->worker, notice->pid)
                : snprintf(text, NOTICE_TEXT_BYTES, "%s broker: ", time);
    event_text(notice, text + n, NOTICE_TEXT_BYTES - (size_t)n);
    make_printable(text);
}
