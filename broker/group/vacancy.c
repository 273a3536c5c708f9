/* SPDX-License-Identifier: MIT
 * A worker has ended: whether it failed quickly, and whether another comes. */
#include "group/private.h"

static bool was_stable(const skep_child *child) {
    unsigned stable_ms = child->terms->settings->stable_ms;
    return child->ready_ms != 0 && skep__clock_ms(child->cluster->clock) - child->ready_ms >= stable_ms;
}

static void describe(const skep_child *child, char *text, size_t capacity_bytes) {
    char how[SKEP__HOW_SIZE], when[48] = "before it was ready";
    uint64_t ready_for_ms = skep__clock_ms(child->cluster->clock) - child->ready_ms;
    skep__exit_text(child, how);
    if (child->ready_ms != 0) snprintf(when, sizeof when, "%.2f s after it was ready", (double)ready_for_ms / 1000);
    snprintf(text, capacity_bytes, "worker %u %s %s", child->id, how, when);
}

/* Returns after how long the next one is due. */
static int64_t judge(const skep_child *child) {
    struct skep__slot *slot = child->slot;
    bool stable = was_stable(child);
    /* A SIGKILL that the broker did not send comes from outside and says nothing about a worker that was ready. */
    bool from_outside = child->ready_ms != 0 && child->exit_signal == SIGKILL && child->reason == NULL;
    char how[160];
    if (stable) slot->failures = 0;
    if (stable || from_outside) return 0;
    slot->failures++;
    describe(child, how, sizeof how);
    skep__refill_failed(slot->group, child->id, how);
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
