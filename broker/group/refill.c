/* SPDX-License-Identifier: MIT
 * When a worker that is missing is started: at once, after a delay that doubles with each quick failure, or, while the
 * breaker is open, as the one that is tried. */
#include <sys/random.h>

#include "group/private.h"

enum {
    FIRST_DELAY_MS = 100, /* after the first quick failure; doubles with each */
    LONGEST_DELAY_MS = 10000,
    LACK_DELAY_MS = 500 /* between tries while no process is to be had, or no socket for it */
};

/* Exponential, with a jitter of a quarter either way so that places do not restart in step. */
int64_t skep__refill_delay_ms(unsigned failures) {
    int64_t delay_ms = FIRST_DELAY_MS;
    if (failures == 0) return 0;
    for (unsigned i = 1; i < failures && delay_ms < LONGEST_DELAY_MS; i++) delay_ms *= 2;
    if (delay_ms > LONGEST_DELAY_MS) delay_ms = LONGEST_DELAY_MS;
    unsigned chance = 0;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != sizeof chance) chance = 0; /* no jitter does no harm */
    return delay_ms * 3 / 4 + chance % (delay_ms / 2);
}

/* --- the next trial --- */

static void try_one(struct skep__alarm *alarm);

static void try_in(skep_group *group, uint64_t delay_ms) {
    struct skep__breaker *breaker = &group->breaker;
    breaker->retry.holds = true;
    if (skep__alarm_set(group->cluster->clock, &breaker->retry, delay_ms, try_one) != SKEP_OK)
        skep__emit_error(group->cluster, NULL, "out of memory: no worker is tried until skep resume");
}

static void try_later(skep_group *group) {
    try_in(group, group->terms.settings->breaker_ms);
}

void skep__refill_failed(skep_group *group, uint32_t id, const char *how) {
    if (skep__breaker_failed(group, id, how)) try_later(group);
}

void skep__refill_child_ended(const skep_child *child) {
    skep_group *group = skep__group_of(child);
    if (!group->cluster->stopping && skep__breaker_tries(&group->breaker, child->id)) try_later(group);
}

/* --- starting --- */

/* Later: a call of the user's may be the cause. */
static void say_no_replacement(skep_group *group, const char *why) {
    char reason[SKEP_MAX_REASON + 1];
    skep_event event = skep__event(SKEP_EVENT_ERROR, NULL);
    snprintf(reason, sizeof reason, "no replacement: %.*s", SKEP_MAX_REASON - 20, why);
    event.group = group->terms.name;
    event.reason = reason;
    skep__emit_later(group->cluster, &event);
}

/* That the machine has none to give says nothing about the program: it is tried until it works. */
static bool is_lack(int status, enum skep__lack *lack) {
    switch (status) {
    case SKEP_ENPROC: *lack = SKEP__LACK_PROCESSES; return true;
    case SKEP_EMFILE: *lack = SKEP__LACK_DESCRIPTORS; return true;
    case SKEP_ENOMEM: *lack = SKEP__LACK_MEMORY; return true;
    case SKEP_EDIR: *lack = SKEP__LACK_DIRECTORY; return true;
    default: return false;
    }
}

static void start_missing(struct skep__slot *slot) {
    skep_group *group = slot->group;
    enum skep__lack lack;
    int status = skep__slot_start(slot, NULL);
    if (status == SKEP_OK) return;
    if (is_lack(status, &lack)) {
        skep__lack_say(group->cluster, lack, "no replacement: %.400s; trying again", group->cluster->why);
        if (group->breaker.open) try_in(group, LACK_DELAY_MS);
        else skep__slot_refill(slot, LACK_DELAY_MS);
        return;
    }
    slot->failures++;
    say_no_replacement(group, group->cluster->why);
    skep__refill_failed(group, 0, group->cluster->why);
    skep__breaker_say(group);
    skep__slot_refill(slot, skep__refill_delay_ms(slot->failures));
}

static void delay_passed(struct skep__alarm *alarm) {
    skep__slot_refill(SKEP_CONTAINER(alarm, struct skep__slot, refill), 0);
}

void skep__slot_refill(struct skep__slot *slot, int64_t delay_ms) {
    if (!skep__slot_is_missing(slot) || slot->group->cluster->stopping || slot->group->breaker.open) return;
    if (delay_ms == 0) {
        start_missing(slot);
        return;
    }
    if (skep__alarm_set(slot->group->cluster->clock, &slot->refill, (uint64_t)delay_ms, delay_passed) != SKEP_OK)
        say_no_replacement(slot->group, skep_strerror(SKEP_ENOMEM));
}

/* Never at once: a caller that releases several slots should not get events of new workers in between. */
void skep__slot_unhold(struct skep__slot *slot) {
    if (skep__alarm_is_set(&slot->refill)) return; /* it was not held */
    int64_t delay_ms = skep__refill_delay_ms(slot->failures);
    skep__slot_refill(slot, delay_ms > 0 ? delay_ms : 1);
}

/* --- trials --- */

static void close_breaker(skep_group *group, const char *reason) {
    skep__breaker_close(group, reason);
    for (size_t i = 0; i < group->slot_count; i++) skep__slot_refill(group->slots[i], 0);
}

void skep__refill_resume(skep_group *group, const char *reason) {
    if (!group->breaker.open || group->cluster->stopping) return;
    for (size_t i = 0; i < group->slot_count; i++) group->slots[i]->failures = 0;
    close_breaker(group, reason);
}

void skep_group_close_breaker(skep_group *group) {
    skep__refill_resume(group, "by request");
}

/* Not during a reload: what is missing would be started from the old program. A reload closes it at its end; if it is
 * aborted, the next trial does. */
void skep__refill_child_ready(const skep_child *child) {
    skep_group *group = skep__group_of(child);
    if (!group->breaker.open || group->cluster->stopping || child->id <= group->breaker.newest) return;
    if (!skep__is_reloading(group)) close_breaker(group, "a worker is ready");
    else if (skep__breaker_tries(&group->breaker, child->id)) try_later(group);
}

static void try_one(struct skep__alarm *alarm) {
    struct skep__breaker *breaker = SKEP_CONTAINER(alarm, struct skep__breaker, retry);
    skep_group *group = SKEP_CONTAINER(breaker, skep_group, breaker);
    struct skep__slot *slot = skep__slot_missing(group);
    breaker->trial = skep__child_latest(group->cluster) + 1;
    if (skep__is_reloading(group)) try_later(group); /* it may have another program */
    else if (slot != NULL) start_missing(slot);
    else close_breaker(group, "no worker is missing");
}
