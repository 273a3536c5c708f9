/* SPDX-License-Identifier: MIT
 * What jobs/ tells of itself, and what it asks about workers. */
#include "hive/hive.h"
#include "journal/journal.h"

static void error(void *context, void *worker, const char *text) {
    skep__emit_error(context, worker, "%s", text);
}

static void error_later(void *context, const char *text) {
    skep_event event = skep__event(SKEP_EVENT_ERROR, NULL);
    event.reason = text;
    skep__emit_later(context, &event);
}

static void dead(void *context, const char *text) {
    skep__emit_dead(context, text);
}

static void lack(void *context, const char *text) {
    skep__lack_say(context, SKEP__LACK_MEMORY, "%s", text);
}

static void out_of_memory(void *context) {
    skep__memory_note(context, 0);
}

static void ending(const void *worker, struct skep__ending *ending) {
    const skep_child *child = worker;
    *ending = (struct skep__ending){.reason = child->reason,
                                    .asked = child->voluntary,
                                    .code = child->exit_code,
                                    .signal = child->exit_signal,
                                    .uptime_ms = uv_now(child->cluster->loop) - child->spawned_ms};
}

const struct skep__jobs_host skep__hive_jobs_host = {.error = error,
                                                     .error_later = error_later,
                                                     .dead = dead,
                                                     .lack = lack,
                                                     .out_of_memory = out_of_memory,
                                                     .ending = ending};
