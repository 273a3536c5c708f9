/* SPDX-License-Identifier: MIT
 * What is told of groups. */
#include "group/private.h"

/* What a limit of the protocol would cut is left out. */
static bool fits(const char *program) {
    return strlen(program) <= SKEP_MAX_PATH;
}

/* --- all groups together --- */

struct sums {
    bool open, reloads;
    uint64_t wait_ms; /* until the first trial of those whose breaker is open */
    struct skep__steps steps;
};

static struct sums sum_up(const skep_cluster *cluster) {
    struct sums sums = {.wait_ms = UINT64_MAX};
    for (const skep_group *group = NULL; (group = skep_group_next(cluster, group)) != NULL;) {
        const struct skep__steps steps = skep__reload_progress(group);
        uint64_t wait_ms = skep__breaker_wait_ms(group);
        sums.steps.done += steps.done;
        sums.steps.all += steps.all;
        sums.reloads = sums.reloads || skep__is_reloading(group);
        sums.open = sums.open || group->breaker.open;
        if (group->breaker.open && wait_ms < sums.wait_ms) sums.wait_ms = wait_ms;
    }
    return sums;
}

void skep__groups_status(const skep_cluster *cluster, struct skep_command_brokerStatus *b) {
    struct sums sums = sum_up(cluster);
    b->restarts += cluster->groups->restarts;
    SKEP_SET(brokerStatus, b, wanted, skep__groups_wanted(cluster));
    if (sums.open) SKEP_SET(brokerStatus, b, breaker_ms, sums.wait_ms);
    if (fits(cluster->settings.exec)) SKEP_SET(brokerStatus, b, program, skep__text(cluster->settings.exec));
    if (!sums.reloads) return;
    SKEP_SET(brokerStatus, b, reloadStep, sums.steps.done);
    SKEP_SET(brokerStatus, b, reloadSteps, sums.steps.all);
}

/* --- each --- */

static int add_group(const skep_group *group, struct skep_frame *frame) {
    const skep_settings *settings = group->terms.settings;
    struct skep_command command = {.id = SKEP_COMMAND_groupStatus};
    struct skep_command_groupStatus *g = &command.groupStatus;
    *g = (struct skep_command_groupStatus){.name = skep__text(group->terms.name),
                                           .policy = skep__text(skep_policy_name(settings->policy)),
                                           .wanted = skep_group_wanted(group),
                                           .restarts = group->restarts};
    for (const skep_child *child = NULL; (child = skep__child_next(group->cluster, child)) != NULL;) {
        if (child->terms != &group->terms) continue;
        g->workers++;
        g->ready += child->state == SKEP__CHILD_READY;
    }
    if (fits(settings->exec)) SKEP_SET(groupStatus, g, program, skep__text(settings->exec));
    if (group->breaker.open) SKEP_SET(groupStatus, g, breaker_ms, skep__breaker_wait_ms(group));
    const struct skep__steps steps = skep__reload_progress(group);
    if (skep__is_reloading(group)) SKEP_SET(groupStatus, g, reloadStep, steps.done);
    if (skep__is_reloading(group)) SKEP_SET(groupStatus, g, reloadSteps, steps.all);
    return skep__frame_add(frame, &command);
}

int skep__groups_add(const skep_cluster *cluster, struct skep_frame *frame) {
    int status = SKEP_OK;
    for (const skep_group *group = NULL; (group = skep_group_next(cluster, group)) != NULL && status == SKEP_OK;)
        status = add_group(group, frame);
    return status;
}

void skep__groups_worker_status(const skep_child *child, struct skep_command_workerStatus *status) {
    status->slot = child->place;
    status->restarts = child->slot->restarts;
    if (child->cluster->group_count > 1) SKEP_SET(workerStatus, status, group, skep__text(child->terms->name));
}
