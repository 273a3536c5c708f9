/* SPDX-License-Identifier: MIT
 * What the room tells its host: errors, and that memory has run out. */
#include <stdarg.h>
#include <stdio.h>

#include "jobs/private.h"

void skep__jobs_say(struct skep__jobs *jobs, const struct skep__holder *holder, const char *format, ...) {
    char text[SKEP_MAX_REASON + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    jobs->host->error(jobs->context, holder != NULL ? holder->worker : NULL, text);
}

void skep__jobs_say_later(struct skep__jobs *jobs, const char *format, ...) {
    char text[SKEP_MAX_REASON + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    jobs->host->error_later(jobs->context, text);
}

bool skep__jobs_allow(struct skep__jobs *jobs, size_t size_bytes) {
    if (jobs->reserve == NULL || skep__reserve_allows(jobs->reserve, size_bytes)) return true;
    jobs->host->out_of_memory(jobs->context);
    return false;
}

bool skep__jobs_lack_memory(struct skep__jobs *jobs) {
    bool was_there = jobs->reserve != NULL && skep__reserve_give_up(jobs->reserve);
    if (jobs->reserve != NULL) jobs->host->out_of_memory(jobs->context);
    return was_there;
}

void skep__jobs_check_memory(struct skep__jobs *jobs) {
    if (jobs->reserve != NULL && !skep__reserve_check(jobs->reserve)) jobs->host->out_of_memory(jobs->context);
}
