/* SPDX-License-Identifier: MIT
 * Lines about exhausted resources, at most one in a while about each; and the reserve of memory, with its timer. A
 * timer of libuv's takes no memory, as an alarm of the clock may. */
#include <stdarg.h>

#include "journal/private.h"

enum { SAY_MS = 10000 /* between lines about the same */, RETRY_MS = 100 };

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

static void look(uv_timer_t *timer) {
    skep_cluster *cluster = timer->data;
    if (skep__reserve_take(&cluster->memory)) uv_timer_stop(timer);
    cluster->journal->memory_retry(cluster);
}

static void wait_for_memory(skep_cluster *cluster) {
    skep__lack_say(cluster, SKEP__LACK_MEMORY,
                   "out of memory; until some is free, new jobs, clients and messages are refused, "
                   "and no job is sent ahead");
    if (!uv_is_active((uv_handle_t *)&cluster->journal->memory_timer))
        uv_timer_start(&cluster->journal->memory_timer, look, RETRY_MS, RETRY_MS);
}

void skep__memory_open(skep_cluster *cluster, void (*retry)(skep_cluster *cluster)) {
    cluster->journal->memory_retry = retry;
    if (!skep__reserve_take(&cluster->memory)) wait_for_memory(cluster);
}

void skep__memory_close(skep_cluster *cluster) {
    uv_timer_stop(&cluster->journal->memory_timer);
    skep__reserve_give_up(&cluster->memory);
}

bool skep__memory_allows(skep_cluster *cluster, size_t size_bytes) {
    if (skep__reserve_allows(&cluster->memory, size_bytes)) return true;
    wait_for_memory(cluster);
    return false;
}

void skep__memory_note(skep_cluster *cluster, size_t size_bytes) {
    if (!skep__reserve_allows(&cluster->memory, size_bytes)) wait_for_memory(cluster);
}

void skep__memory_check(skep_cluster *cluster) {
    if (!skep__reserve_check(&cluster->memory)) wait_for_memory(cluster);
}

bool skep__memory_lacks(skep_cluster *cluster) {
    bool was_there = skep__reserve_give_up(&cluster->memory);
    wait_for_memory(cluster);
    return was_there;
}
