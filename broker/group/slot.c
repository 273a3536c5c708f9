/* SPDX-License-Identifier: MIT
 * Places for workers, and their replacements: a quick failure waits, longer each time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/why.h"
#include "group/private.h"
#include "journal/journal.h"
#include "worker/worker.h"

enum {
    FIRST_DELAY_MS = 100, /* after the first quick failure; doubles with each */
    LONGEST_DELAY_MS = 10000,
    LACK_DELAY_MS = 500, /* between tries while no process is to be had, or no socket for it */

    DESCRIPTORS_A_WORKER = 9, /* process, link, guard, outputs; its inbox, and connections to it and to the outbox */
    OWN_DESCRIPTORS = 64      /* the broker's, and some for operators and for a reload */
};

static int add_slot(skep_group *group, struct skep__slot **out) {
    struct skep__slot **slots = realloc(group->slots, (group->slot_count + 1) * sizeof(struct skep__slot *));
    if (slots == NULL) return SKEP_ENOMEM;
    group->slots = slots;
    struct skep__slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) return SKEP_ENOMEM;
    slot->group = group;
    slot->index = (uint32_t)group->slot_count;
    slot->refill.holds = true;
    slots[group->slot_count++] = slot;
    *out = slot;
    return SKEP_OK;
}

/* A broker that spent its last descriptor on a worker could no longer be asked to have fewer. */
static int afford(skep_group *group) {
    struct rlimit limit;
    rlim_t needed = OWN_DESCRIPTORS + DESCRIPTORS_A_WORKER * (skep_child_count(group->cluster) + 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || needed <= limit.rlim_cur) return SKEP_OK;
    size_t workers = skep_child_count(group->cluster) + 1;
    return skep__broker_fail(group->cluster, SKEP_EMFILE,
                             "%ju descriptors are too few for %zu worker%s: %ju are needed", (uintmax_t)limit.rlim_cur,
                             workers, workers == 1 ? "" : "s", (uintmax_t)needed);
}

int skep__slot_get(skep_group *group, struct skep__slot **out) {
    int status = afford(group);
    if (status != SKEP_OK) return status;
    for (size_t i = 0; i < group->slot_count; i++) {
        struct skep__slot *slot = group->slots[i];
        if (slot->wanted || slot->successor != NULL) continue;
        *out = slot;
        return SKEP_OK;
    }
    return add_slot(group, out);
}

static void free_env(struct skep__slot *slot) {
    for (size_t i = 0; slot->env != NULL && slot->env[i] != NULL; i++) free(slot->env[i]);
    free(slot->env);
    slot->env = NULL;
}

int skep__slot_set_env(struct skep__slot *slot, const char *const *env) {
    size_t count = 0;
    while (env != NULL && env[count] != NULL) count++;
    free_env(slot);
    slot->env = calloc(count + 1, sizeof *slot->env);
    if (slot->env == NULL) return SKEP_ENOMEM;
    for (size_t i = 0; i < count; i++)
        if ((slot->env[i] = strdup(env[i])) == NULL) return SKEP_ENOMEM;
    return SKEP_OK;
}

static bool was_stable(const skep_child *child) {
    unsigned stable_ms = child->terms->settings->stable_ms;
    return child->ready_ms != 0 && skep__clock_ms(child->cluster->clock) - child->ready_ms >= stable_ms;
}

/* A SIGKILL that the broker did not send comes from outside and says nothing about a worker that was ready. */
static bool failed_quickly(const skep_child *child) {
    if (was_stable(child)) return false;
    return child->ready_ms == 0 || child->exit_signal != SIGKILL || child->reason != NULL;
}

/* Exponential, with a jitter of a quarter either way so that places do not restart in step. */
static int64_t backoff_ms(unsigned failures) {
    int64_t delay_ms = FIRST_DELAY_MS;
    if (failures == 0) return 0;
    for (unsigned i = 1; i < failures && delay_ms < LONGEST_DELAY_MS; i++) delay_ms *= 2;
    if (delay_ms > LONGEST_DELAY_MS) delay_ms = LONGEST_DELAY_MS;
    unsigned chance = 0;
    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != sizeof chance) chance = 0; /* no jitter does no harm */
    return delay_ms * 3 / 4 + chance % (delay_ms / 2);
}

static bool wants_replacement(const skep_child *child) {
    const skep_group *group = skep__group_of(child);
    bool unstartable = child->ready_ms == 0 && child->exit_code == SKEP_EXIT_UNSTARTABLE;
    return group->terms.settings->respawn && !group->cluster->stopping && !child->voluntary && !unstartable;
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
    char how[160];
    if (was_stable(child)) slot->failures = 0;
    if (!failed_quickly(child)) return 0;
    slot->failures++;
    describe(child, how, sizeof how);
    skep__breaker_failed(slot->group, child->id, how);
    return backoff_ms(slot->failures);
}

void skep__slot_give_up(struct skep__slot *slot) {
    skep__alarm_stop(&slot->refill);
    slot->child = NULL;
    slot->wanted = false;
}

int64_t skep__slot_vacate(const skep_child *child) {
    struct skep__slot *slot = child->slot;
    int64_t delay_ms = -1;
    if (slot->child == child) {
        slot->child = NULL;
        slot->wanted = wants_replacement(child);
        if (slot->wanted) delay_ms = judge(child);
    }
    skep__breaker_ended(child);
    return skep__group_of(child)->breaker.open ? -1 : delay_ms;
}

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

static int start(struct skep__slot *slot, const struct skep__program *program, skep_child **child) {
    skep_group *group = slot->group;
    struct skep__start start = {
        .terms = &group->terms, .program = program, .env = slot->env, .slot = slot, .place = slot->index};
    return skep__child_start(group->cluster, &start, child);
}

static void occupy(struct skep__slot *slot, skep_child *child) {
    slot->child = child;
    slot->wanted = true;
    if (slot->used) {
        slot->restarts++;
        slot->group->restarts++;
        slot->group->cluster->groups->restarts++;
    }
    slot->used = true;
}

int skep__slot_start(struct skep__slot *slot, skep_child **out) {
    struct skep__program program = skep__program_of(slot->group->terms.settings);
    skep_child *child = NULL;
    int status = start(slot, &program, &child);
    if (status != SKEP_OK) return status;
    occupy(slot, child);
    if (out != NULL) *out = child;
    return SKEP_OK;
}

int skep__slot_start_successor(struct skep__slot *slot, const struct skep__program *program) {
    return start(slot, program, &slot->successor);
}

void skep__slot_try(struct skep__slot *slot) {
    skep_group *group = slot->group;
    enum skep__lack lack;
    int status = skep__slot_start(slot, NULL);
    if (status == SKEP_OK) return;
    if (is_lack(status, &lack)) {
        skep__lack_say(group->cluster, lack, "no replacement: %.400s; trying again", group->cluster->why);
        if (group->breaker.open) skep__breaker_try_in(group, LACK_DELAY_MS);
        else skep__slot_refill(slot, LACK_DELAY_MS);
        return;
    }
    slot->failures++;
    say_no_replacement(group, group->cluster->why);
    skep__breaker_failed(group, 0, group->cluster->why);
    skep__breaker_say(group);
    skep__slot_refill(slot, backoff_ms(slot->failures));
}

static void delay_passed(struct skep__alarm *alarm) {
    skep__slot_refill(SKEP_CONTAINER(alarm, struct skep__slot, refill), 0);
}

static bool is_missing(const struct skep__slot *slot) {
    return slot->wanted && slot->child == NULL && slot->successor == NULL;
}

void skep__slot_hold(struct skep__slot *slot) {
    skep__alarm_stop(&slot->refill);
}

/* Never at once: a caller that releases several slots should not get events of new workers in between. */
void skep__slot_unhold(struct skep__slot *slot) {
    if (skep__alarm_is_set(&slot->refill)) return; /* it was not held */
    int64_t delay_ms = backoff_ms(slot->failures);
    skep__slot_refill(slot, delay_ms > 0 ? delay_ms : 1);
}

void skep__slot_refill(struct skep__slot *slot, int64_t delay_ms) {
    if (!is_missing(slot) || slot->group->cluster->stopping || slot->group->breaker.open) return;
    if (delay_ms == 0) {
        skep__slot_try(slot);
        return;
    }
    if (skep__alarm_set(slot->group->cluster->clock, &slot->refill, (uint64_t)delay_ms, delay_passed) != SKEP_OK)
        say_no_replacement(slot->group, skep_strerror(SKEP_ENOMEM));
}

struct skep__slot *skep__slot_missing(const skep_group *group) {
    for (size_t i = 0; i < group->slot_count; i++)
        if (is_missing(group->slots[i])) return group->slots[i];
    return NULL;
}

void skep__slots_refill(skep_group *group) {
    for (size_t i = 0; i < group->slot_count; i++) skep__slot_refill(group->slots[i], 0);
}

void skep__slots_forgive(skep_group *group) {
    for (size_t i = 0; i < group->slot_count; i++) group->slots[i]->failures = 0;
}

bool skep__slots_are_filling(const skep_group *group) {
    if (skep__slot_missing(group) != NULL && !group->cluster->stopping) return true;
    for (size_t i = 0; i < group->slot_count; i++) {
        const struct skep__slot *slot = group->slots[i];
        if (slot->successor != NULL) return true;
        if (slot->child != NULL && slot->child->state < SKEP__CHILD_READY) return true;
    }
    return false;
}

void skep__slots_stop(skep_group *group) {
    for (size_t i = 0; i < group->slot_count; i++) skep__alarm_stop(&group->slots[i]->refill);
}

void skep__slots_free(skep_group *group) {
    for (size_t i = 0; i < group->slot_count; i++) {
        skep__alarm_stop(&group->slots[i]->refill);
        free_env(group->slots[i]);
        free(group->slots[i]);
    }
    free(group->slots);
    group->slots = NULL;
    group->slot_count = 0;
}
