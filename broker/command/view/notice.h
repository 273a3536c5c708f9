/* SPDX-License-Identifier: MIT
 * Events as lines for people. */
#ifndef SKEP_COMMAND_VIEW_NOTICE_H
#define SKEP_COMMAND_VIEW_NOTICE_H

#include <command.h>
#include <skep/cluster.h>

#include "command/common/print.h"

enum { NOTICE_TEXT_BYTES = 1024 };

/* An event of the broker that is this program, now, as others read it from the news. Borrowed. */
struct skep_command_event notice_of(const skep_event *event);

/* Writes one line without its end, such as: TIME worker 3 pid 47: killed by SIGKILL (crashed), replacement in 10 ms;
 * with the group before the worker, if there are several */
void notice_text(const struct skep_command_event *event, char text[NOTICE_TEXT_BYTES]);

/* Problems are coloured. */
enum paint notice_paint(const struct skep_command_event *event);

#endif
