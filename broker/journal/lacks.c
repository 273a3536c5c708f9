/* SPDX-License-Identifier: MIT
 * Lines about exhausted resources, at most one in a while about each. */
#include <stdarg.h>
#include <stdio.h>

#include "journal/private.h"

enum { SAY_MS = 10000 /* between lines about the same */ };

void skep__lack_say(skep_cluster *cluster, enum skep__lack lack, const char *format, ...) {
    char text[SKEP_MAX_REASON + 1];
    if (!skep__may_tell(uv_now(cluster->loop), SAY_MS, &cluster->journal->lack_said_ms[lack])) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    skep_event event = skep__event(SKEP_EVENT_ERROR, NULL);
    event.reason = text;
    skep__emit_later(cluster, &event); /* a call of the user's may be the cause */
}
