/* SPDX-License-Identifier: MIT
 * An event, from wherever it came, as a line for people. */
#ifndef SKEP_COMMAND_VIEW_NOTICE_H
#define SKEP_COMMAND_VIEW_NOTICE_H

#include <command.h>
#include <skep/cluster.h>
#include <stdbool.h>
#include <stdint.h>

#include "command/common/paint.h"

/* Everything is borrowed. */
struct notice {
    uint64_t seq;     /* number of the news item; 0: it did not come by the news */
    uint64_t time_ms; /* wall clock, since 1970 */
    struct skep_bytes event;
    uint32_t worker; /* id; 0: the event is the broker's */
    int pid;
    int code;   /* exit: -1 if a signal ended it */
    int signal; /* exit: -1 if it exited */
    struct skep_bytes reason;
    struct skep_bytes url;
    uint64_t uptime_ms; /* exit */
    int64_t delay_ms;   /* exit: until a replacement starts; -1: none is due */
    struct skep_bytes phase, queue;
    bool has_steps; /* reload, scale */
    uint32_t step, steps;
};

enum { NOTICE_TEXT_BYTES = 1024 };

/* The same event heard by the program that is the broker, now, and read from the news */
struct notice notice_of_event(const skep_event *event);
struct notice notice_of_news(const struct skep_command_event *event);

/* Writes one line without its end, such as: TIME worker 3 pid 47: killed by SIGKILL (crashed), replacement in 10 ms */
void notice_text(const struct notice *notice, char text[NOTICE_TEXT_BYTES]);

/* Problems are coloured. */
enum paint notice_paint(const struct notice *notice);

#endif
