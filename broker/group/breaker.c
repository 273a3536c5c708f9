/* SPDX-License-Identifier: MIT
 * The breaker: closed, open, and open with one worker on trial. refill.c starts that one. */
#include "group/private.h"

/* --- how many lately --- */

unsigned skep__failures_note(struct skep__failures *failures, uint64_t now_ms, unsigned period_ms) {
    while (failures->count > 0 &&
           (now_ms - failures->ms[failures->first] >= period_ms || failures->count == SKEP__MOST_FAILURES)) {
        failures->first = (failures->first + 1) % SKEP__MOST_FAILURES;
        failures->count--;
    }
    failures->ms[(failures->first + failures->count++) % SKEP__MOST_FAILURES] = now_ms;
    return failures->count;
}

/* --- opening --- */

static void open_breaker(skep_group *group, unsigned count, const char *how) {
    struct skep__breaker *breaker = &group->breaker;
    uint64_t span_ms = skep__clock_ms(group->cluster->clock) - breaker->failures.ms[breaker->failures.first];
    breaker->open = breaker->unsaid = true;
    breaker->newest = skep__child_latest(group->cluster);
    snprintf(breaker->why, sizeof breaker->why,
             "%u quick failures in %.1f s, the last: %s; trying one worker in %.3g s, or on skep resume", count,
             (double)span_ms / 1000, how, group->terms.settings->breaker_ms / 1000.0);
    skep__slots_stop(group);
}

static void stay_open(skep_group *group, const char *how) {
    struct skep__breaker *breaker = &group->breaker;
    breaker->unsaid = true;
    snprintf(breaker->why, sizeof breaker->why, "it failed again: %s; trying the next in %.3g s, or on skep resume",
             how, group->terms.settings->breaker_ms / 1000.0);
}

bool skep__breaker_tries(const struct skep__breaker *breaker, uint32_t id) {
    return breaker->open && !skep__alarm_is_set(&breaker->retry) && (id == 0 || id == breaker->trial);
}

bool skep__breaker_failed(skep_group *group, uint32_t id, const char *how) {
    struct skep__breaker *breaker = &group->breaker;
    bool tried = skep__breaker_tries(breaker, id);
    if (tried) stay_open(group, how);
    if (breaker->open || group->cluster->stopping) return tried;
    unsigned period_ms = group->terms.settings->failures_period_ms, limit = group->terms.settings->failures;
    unsigned count = skep__failures_note(&breaker->failures, skep__clock_ms(group->cluster->clock), period_ms);
    if (limit == 0) limit = 10 + 2 * skep_group_wanted(group); /* a thousand may each be lost once */
    if (count < limit) return false;
    open_breaker(group, count, how);
    return true;
}

/* Later: a call of the user's may be the cause. */
static void emit(skep_group *group, const char *phase, const char *reason) {
    skep_event event = skep__event(SKEP_EVENT_BREAKER, NULL);
    event.group = group->terms.name;
    event.phase = phase;
    event.reason = reason;
    skep__emit_later(group->cluster, &event);
}

void skep__breaker_say(skep_group *group) {
    struct skep__breaker *breaker = &group->breaker;
    if (breaker->unsaid) emit(group, "opened", breaker->why);
    breaker->unsaid = false;
}

/* --- closing --- */

void skep__breaker_close(skep_group *group, const char *reason) {
    struct skep__breaker *breaker = &group->breaker;
    skep__alarm_stop(&breaker->retry);
    breaker->open = false;
    breaker->failures.count = 0;
    if (!breaker->unsaid) emit(group, "closed", reason);
    breaker->unsaid = false;
}

void skep__breaker_stop(skep_group *group) {
    skep__alarm_stop(&group->breaker.retry);
    group->breaker.open = group->breaker.unsaid = false;
}

uint64_t skep__breaker_wait_ms(const skep_group *group) {
    const struct skep__alarm *retry = &group->breaker.retry;
    if (!skep__alarm_is_set(retry)) return 0;
    uint64_t now_ms = skep__clock_ms(group->cluster->clock);
    return retry->due_ms > now_ms ? retry->due_ms - now_ms : 0;
}
