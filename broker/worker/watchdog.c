/* SPDX-License-Identifier: MIT
 * Looks at the workers' beats. Looks are counted, not time: however long the machine was busy elsewhere between two of
 * them, a worker has had its turn before the next. */
#include "worker/private.h"

enum { LOOKS = 4 /* without a new beat until a worker is killed */ };

static void look(struct skep__alarm *alarm);

static void look_again(struct skep__process *process) {
    skep_child *child = process->child;
    if (skep__alarm_set(child->cluster->clock, &process->watchdog, process->watchdog_ms / LOOKS, look) != SKEP_OK)
        skep__emit_error(child->cluster, child, "out of memory: it is no longer watched");
}

/* A worker that has closed its link has left its loop. One that never beat does not know how, or its loop has not begun
 * to run: that is for the other deadlines. */
static bool is_silent(struct skep__process *process) {
    const skep_child *child = process->child;
    bool in_loop = child->state == SKEP__CHILD_READY || child->state == SKEP__CHILD_DRAINING;
    uint64_t before = process->beats;
    process->beats = __atomic_load_n(&child->page->beats, __ATOMIC_RELAXED);
    return in_loop && child->link >= 0 && process->beats != 0 && process->beats == before;
}

static void look(struct skep__alarm *alarm) {
    struct skep__process *process = SKEP_CONTAINER(alarm, struct skep__process, watchdog);
    skep_child *child = process->child;
    process->silent_looks = is_silent(process) ? process->silent_looks + 1 : 0;
    if (process->silent_looks < LOOKS) {
        look_again(process);
        return;
    }
    skep__emit_error(child->cluster, child, "its event loop was blocked for %u ms; killed", process->watchdog_ms);
    skep__child_kill(child, "watchdog");
}

unsigned skep__watchdog_start(skep_child *child) {
    struct skep__process *process = child->process;
    process->watchdog_ms = child->terms->settings->watchdog_ms;
    if (process->watchdog_ms == 0) return 0;
    look_again(process);
    return process->watchdog_ms / LOOKS;
}

void skep__watchdog_stop(skep_child *child) {
    skep__alarm_stop(&child->process->watchdog);
}
