/* SPDX-License-Identifier: MIT
 * The reserve, its timer and its line. A timer of libuv's takes no memory, as an alarm of the clock may. */
#include "journal/private.h"

enum { RETRY_MS = 100 };

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
