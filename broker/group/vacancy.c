/* SPDX-License-Identifier: MIT
 * A worker has ended: whether it failed quickly, and whether another comes. */
#include "group/private.h"

static bool was_stable(const skep_child *child) {
    unsigned stable_ms = child->terms->settings->stable_ms;
    return child->ready_ms != 0 && skep__clock_ms(child->cluster->clock) - child->ready_ms >= stable_ms;
}

/* Returns after how long the next one is due. */
static int64_t judge(const skep_child *child) {
    struct skep__slot *slot = child->slot;
    bool stable = was_stable(child);
    /* A SIGKILL that the broker did not send comes from outside and says nothing about a worker that was ready. */
    bool from_outside = child->ready_ms != 0 && child->exit_signal == SIGKILL && child->reason == NULL;
    char text[160], how[SKEP__HOW_SIZE], when[48] = "before it was ready";
    if (stable) slot->failures = 0;
    if (stable || from_outside) return 0;
    slot->failures++;
    uint64_t ready_for_ms = skep__clock_ms(child->cluster->clock) - child->ready_ms;
    if (child->ready_ms != 0) snprintf(when, sizeof when, "%.2f s after it was ready", (double)ready_for_ms / 1000);
    skep__exit_text(child, how);
    snprintf(text, sizeof text, "worker %u %s %s", child->id, how, when);
    skep__refill_failed(slot->group, child->id, text);
    return skep__refill_delay_ms(slot->failures);
}

int64_t skep__slot_vacate(const skep_child *child) {
    struct skep__slot *slot = child->slot;
    bool respawns = child->terms->settings->respawn && !child->cluster->stopping;
    bool unstartable = child->ready_ms == 0 && child->exit_code == SKEP_EXIT_UNSTARTABLE;
    int64_t delay_ms = -1;
    if (slot->child == child) {
        slot->child = NULL;
        slot->wanted = respawns && !child->voluntary && !unstartable;
        if (slot->wanted) delay_ms = judge(child);
    }
    skep__refill_child_ended(child);
    return skep__group_of(child)->breaker.open ? -1 : delay_ms;
}
