/* SPDX-License-Identifier: MIT
 * Looks at the workers' beats. Looks are counted, not time: however long the machine was busy elsewhere between two of
 * them, a worker has had its turn before the next. */
#include "common/container.h"
#include "journal/journal.h"
#include "worker/private.h"

enum { LOOKS = 4 /* without a new beat until a worker is killed */ };

static void look(struct skep__alarm *alarm);

static void look_again(skep_child *child) {
    if (skep__alarm_set(child->cluster->clock, &child->process->watchdog, child->process->watchdog_ms / LOOKS, look) == SKEP_OK) return;
    skep__emit_error(child->cluster, child, "out of memory: it is no longer watched");
}

/* A worker that has closed its link has left its loop. One that never beat does not know how, or its loop has not begun
 * to run: that is for the other deadlines. */
static bool is_silent(skep_child *child) {
    bool in_loop = child->state == SKEP__CHILD_READY || child->state == SKEP__CHILD_DRAINING;
    uint64_t before = child->process->beats;
    child->process->beats = __atomic_load_n(&child->page->beats, __ATOMIC_RELAXED);
    return in_loop && child->link >= 0 && child->process->beats != 0 && child->process->beats == before;
}

static void look(struct skep__alarm *alarm) {
    skep_child *child = SKEP_CONTAINER(alarm, struct skep__process, watchdog)->child;
    child->process->silent_looks = is_silent(child) ? child->process->silent_looks + 1 : 0;
    if (child->process->silent_looks < LOOKS) {
        look_again(child);
        return;
    }
    skep__emit_error(child->cluster, child, "its event loop was blocked for %u ms; killed", child->process->watchdog_ms);
    skep__child_kill(child, "watchdog");
}

unsigned skep__watchdog_start(skep_child *child) {
    child->process->watchdog_ms = child->terms->settings->watchdog_ms;
    if (child->process->watchdog_ms == 0) return 0;
    look_again(child);
    return child->process->watchdog_ms / LOOKS;
}

void skep__watchdog_stop(skep_child *child) {
    skep__alarm_stop(&child->process->watchdog);
}
