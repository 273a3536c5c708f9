/* SPDX-License-Identifier: MIT
 * More workers and fewer. Places are filled from the lowest and given up from the highest. */
#include <contract.h>

#include "group/private.h"

enum { A_DAY_MS = 24 * 60 * 60 * 1000 };

/* A program of the user's may start workers one by one, each with an environment; the first stands for all that are
 * asked for by number alone. */
static int add_one(skep_group *group) {
    struct skep__slot *slot;
    int status = skep__slot_get(group, &slot);
    if (status == SKEP_OK && !slot->used && slot->index > 0)
        status = skep__slot_set_env(slot, (const char *const *)group->slots[0]->env);
    if (status != SKEP_OK) return status;
    slot->used = false; /* a released slot begins again, without failures */
    slot->restarts = slot->failures = 0;
    if (group->breaker.open) slot->wanted = true; /* until it closes */
    else status = skep__slot_start(slot, NULL);
    return status;
}

static void drop_highest(skep_group *group) {
    size_t i = group->slot_count;
    while (i > 0 && !group->slots[i - 1]->wanted) i--;
    if (i == 0) return;
    struct skep__slot *slot = group->slots[i - 1];
    if (slot->child != NULL) skep_child_disconnect(slot->child);
    else skep__slot_give_up(slot);
}

static void wait_on(uv_timer_t *timer) {
    (void)timer;
}

/* A group whose workers were all taken away on purpose keeps the loop running, by a timer that does nothing. */
static void hold(skep_group *group, unsigned before) {
    struct skep__groups *groups = group->cluster->groups;
    const skep_group *any;
    bool holds = false;
    group->emptied = skep_group_wanted(group) == 0 && (before > 0 || group->emptied);
    TAILQ_FOREACH(any, &groups->list, entry) holds = holds || any->emptied;
    if (holds) uv_timer_start(&groups->keep_alive, wait_on, A_DAY_MS, A_DAY_MS);
    else uv_timer_stop(&groups->keep_alive);
}

int skep__group_fork(skep_group *group, const char *const *env, skep_child **child) {
    struct skep__slot *slot;
    int status = skep__slot_get(group, &slot);
    if (status == SKEP_OK) status = skep__slot_set_env(slot, env);
    if (status == SKEP_OK) status = skep__slot_start(slot, child);
    if (status == SKEP_OK) hold(group, 0);
    return status;
}

static void say(skep_group *group, unsigned before, unsigned now) {
    skep_event event = skep__event(SKEP_EVENT_SCALE, NULL);
    event.group = group->terms.name;
    event.steps = before;
    event.step = now;
    if (before != now) skep__emit_later(group->cluster, &event);
}

int skep__scale_check(skep_group *group, unsigned workers) {
    unsigned wanted = skep_group_wanted(group), others = skep__groups_wanted(group->cluster) - wanted;
    if (workers > wanted && (uint64_t)workers + others > SKEP_MAX_WORKERS)
        return skep__broker_fail(group->cluster, SKEP_EINVAL, "%u workers%s: at most %d", workers,
                                 others > 0 ? " and those of other groups" : "", SKEP_MAX_WORKERS);
    return skep__is_reloading(group) ? skep__reload_refuse(group) : SKEP_OK;
}

int skep__scale(skep_group *group, unsigned workers) {
    if (!group->cluster->started || group->cluster->stopping)
        return skep__broker_fail(group->cluster, SKEP_ESTATE, "the cluster %s",
                                 group->cluster->stopping ? "is stopping" : "has not started");
    int status = skep__scale_check(group, workers);
    return status == SKEP_OK ? skep__scale_to(group, workers) : status;
}

int skep__scale_to(skep_group *group, unsigned workers) {
    unsigned before = skep_group_wanted(group);
    int status = SKEP_OK;
    say(group, before, workers); /* it comes before what follows from it */
    for (unsigned i = before; i < workers && status == SKEP_OK; i++) status = add_one(group);
    for (unsigned i = workers; i < before; i++) drop_highest(group);
    say(group, workers, skep_group_wanted(group));
    hold(group, before);
    skep__group_prune(group);
    return status;
}

int skep__scale_drain(skep_child *child) {
    skep_group *group = skep__group_of(child);
    unsigned before = skep_group_wanted(group);
    if (child->exited || child->voluntary) return SKEP_ESTATE;
    say(group, before, before - (child->slot->child == child));
    skep_child_disconnect(child);
    hold(group, before);
    return SKEP_OK;
}
