/* SPDX-License-Identifier: MIT
 * More workers and fewer. Places are filled from the lowest and given up from the highest. */
#include "group/scale.h"
#include "base/why.h"

#include <contract.h>

#include "group/reload.h"
#include "journal/event.h"
#include "worker/life.h"

unsigned skep_cluster_wanted(const skep_cluster *cluster) {
    unsigned wanted = 0;
    for (size_t i = 0; i < cluster->slot_count; i++) wanted += cluster->slots[i]->wanted;
    return wanted;
}

/* A program of the user's may start workers one by one, each with an environment; the first stands for all that are
 * asked for by number alone. */
static int add_one(skep_cluster *cluster) {
    struct skep__slot *slot;
    int status = skep__slot_get(cluster, &slot);
    if (status == SKEP_OK && !slot->used && slot->index > 0)
        status = skep__slot_set_env(slot, (const char *const *)cluster->slots[0]->env);
    if (status != SKEP_OK) return status;
    slot->used = false; /* a released slot begins again, without failures */
    slot->restarts = 0;
    if (cluster->breaker.open) slot->wanted = true; /* until it closes */
    else status = skep__child_start(cluster, slot, NULL);
    return status;
}

static void drop_highest(skep_cluster *cluster) {
    size_t i = cluster->slot_count;
    while (i > 0 && !cluster->slots[i - 1]->wanted) i--;
    if (i == 0) return;
    struct skep__slot *slot = cluster->slots[i - 1];
    if (slot->child != NULL) skep__child_dismiss(slot->child);
    else skep__slot_give_up(slot);
}

/* The timer of the interval runs as long as the cluster does. */
static void hold(skep_cluster *cluster) {
    if (skep_cluster_wanted(cluster) == 0) uv_ref((uv_handle_t *)&cluster->interval_timer);
    else uv_unref((uv_handle_t *)&cluster->interval_timer);
}

void skep__scale_stop(skep_cluster *cluster) {
    uv_unref((uv_handle_t *)&cluster->interval_timer);
}

static void say(skep_cluster *cluster, unsigned before, unsigned now) {
    skep_event event = skep__event(SKEP_EVENT_SCALE, NULL);
    event.steps = before;
    event.step = now;
    if (before != now) skep__emit_later(cluster, &event);
}

static int change(skep_cluster *cluster, unsigned before, unsigned workers) {
    int status = SKEP_OK;
    for (unsigned i = before; i < workers && status == SKEP_OK; i++) status = add_one(cluster);
    for (unsigned i = workers; i < before; i++) drop_highest(cluster);
    return status;
}

int skep__scale_check(skep_cluster *cluster, unsigned workers) {
    if (workers > SKEP_MAX_WORKERS)
        return skep__broker_fail(cluster, SKEP_EINVAL, "%u workers: at most %d", workers, SKEP_MAX_WORKERS);
    return skep__reload_is_underway(cluster) ? skep__reload_refuse(cluster) : SKEP_OK;
}

int skep__scale(skep_cluster *cluster, unsigned workers) {
    if (!cluster->started || cluster->stopping)
        return skep__broker_fail(cluster, SKEP_ESTATE, "the cluster %s",
                                 cluster->stopping ? "is stopping" : "has not started");
    int status = skep__scale_check(cluster, workers);
    return status == SKEP_OK ? skep__scale_to(cluster, workers) : status;
}

int skep__scale_to(skep_cluster *cluster, unsigned workers) {
    unsigned before = skep_cluster_wanted(cluster);
    say(cluster, before, workers); /* it comes before what follows from it */
    int status = change(cluster, before, workers);
    say(cluster, workers, skep_cluster_wanted(cluster));
    hold(cluster);
    return status;
}

int skep__scale_drain(skep_child *child) {
    skep_cluster *cluster = child->cluster;
    unsigned before = skep_cluster_wanted(cluster);
    if (child->exited || child->voluntary) return SKEP_ESTATE;
    say(cluster, before, before - (child->slot->child == child));
    skep__child_dismiss(child);
    hold(cluster);
    return SKEP_OK;
}
