/* SPDX-License-Identifier: MIT
 * Places for workers: found, filled, given up. */
#include <sys/resource.h>

#include "group/private.h"

enum {
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

static int start(struct skep__slot *slot, const struct skep__program *program, skep_child **child) {
    skep_group *group = slot->group;
    struct skep__start start = {
        .terms = &group->terms, .program = program, .env = slot->env, .slot = slot, .place = slot->index};
    return skep__child_start(group->cluster, &start, child);
}

int skep__slot_start(struct skep__slot *slot, skep_child **out) {
    struct skep__program program = skep__program_of(slot->group->terms.settings);
    skep_child *child = NULL;
    int status = start(slot, &program, &child);
    if (status != SKEP_OK) return status;
    if (slot->used) {
        slot->restarts++;
        slot->group->restarts++;
        slot->group->cluster->groups->restarts++;
    }
    slot->child = child;
    slot->wanted = slot->used = true;
    if (out != NULL) *out = child;
    return SKEP_OK;
}

int skep__slot_start_successor(struct skep__slot *slot, const struct skep__program *program) {
    return start(slot, program, &slot->successor);
}

void skep__slot_give_up(struct skep__slot *slot) {
    skep__alarm_stop(&slot->refill);
    slot->child = NULL;
    slot->wanted = false;
}

void skep__slot_hold(struct skep__slot *slot) {
    skep__alarm_stop(&slot->refill);
}

/* --- all of them --- */

unsigned skep_group_wanted(const skep_group *group) {
    unsigned wanted = 0;
    for (size_t i = 0; i < group->slot_count; i++) wanted += group->slots[i]->wanted;
    return wanted;
}

bool skep__slot_is_missing(const struct skep__slot *slot) {
    return slot->wanted && slot->child == NULL && slot->successor == NULL;
}

struct skep__slot *skep__slot_missing(const skep_group *group) {
    for (size_t i = 0; i < group->slot_count; i++)
        if (skep__slot_is_missing(group->slots[i])) return group->slots[i];
    return NULL;
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
