/* SPDX-License-Identifier: MIT
 * Groups: made, found, stopped, freed. */
#include "group/private.h"

static const char first_name[] = "main";

/* --- finding --- */

skep_group *skep_cluster_group(const skep_cluster *cluster) {
    return TAILQ_FIRST(&cluster->groups->list);
}

skep_group *skep__group_find(const skep_cluster *cluster, const char *name, size_t size_bytes) {
    skep_group *group;
    TAILQ_FOREACH(group, &cluster->groups->list, entry) {
        const char *its = group->terms.name;
        if (strlen(its) == size_bytes && memcmp(its, name, size_bytes) == 0) return group;
    }
    return NULL;
}

skep_group *skep_group_by_name(const skep_cluster *cluster, const char *name) {
    return skep__group_find(cluster, name, strlen(name));
}

skep_group *skep_group_next(const skep_cluster *cluster, const skep_group *group) {
    return group != NULL ? TAILQ_NEXT(group, entry) : TAILQ_FIRST(&cluster->groups->list);
}

const char *skep_group_name(const skep_group *group) {
    return group->terms.name;
}

const skep_settings *skep_group_settings(const skep_group *group) {
    return group->terms.settings;
}

skep_cluster *skep__group_cluster(const skep_group *group) {
    return group->cluster;
}

struct skep__terms *skep__group_terms(skep_group *group) {
    return &group->terms;
}

skep_group *skep_child_group(const skep_child *child) {
    return skep__group_of(child);
}

unsigned skep__groups_wanted(const skep_cluster *cluster) {
    const skep_group *group;
    unsigned wanted = 0;
    TAILQ_FOREACH(group, &cluster->groups->list, entry) wanted += skep_group_wanted(group);
    return wanted;
}

/* --- making --- */

static skep_group *add(skep_cluster *cluster, const char *name) {
    skep_group *group = calloc(1, sizeof *group);
    if (group == NULL) return NULL;
    group->cluster = cluster;
    group->terms.settings = &group->own;
    snprintf(group->terms.name, sizeof group->terms.name, "%s", name);
    TAILQ_INSERT_TAIL(&cluster->groups->list, group, entry);
    cluster->group_count++;
    return group;
}

static void free_group(skep_group *group) {
    skep__slots_free(group);
    skep__breaker_stop(group);
    skep__settings_free(&group->own);
    TAILQ_REMOVE(&group->cluster->groups->list, group, entry);
    group->cluster->group_count--;
    free(group);
}

int skep__groups_new(skep_cluster *cluster) {
    cluster->groups = calloc(1, sizeof *cluster->groups);
    if (cluster->groups == NULL) return SKEP_ENOMEM;
    TAILQ_INIT(&cluster->groups->list);
    uv_timer_init(cluster->loop, &cluster->groups->keep_alive);
    skep_group *group = add(cluster, first_name);
    if (group == NULL) return SKEP_ENOMEM;
    group->terms.settings = &cluster->settings;
    return SKEP_OK;
}

static int check_name(skep_cluster *cluster, const char *name) {
    if (name == NULL) name = "";
    int status = skep__settings_check_group(cluster, name);
    if (status != SKEP_OK || skep_group_by_name(cluster, name) == NULL) return status;
    return skep__broker_fail(cluster, SKEP_EINVAL, "group %s: there is one already", name);
}

int skep_group_new(skep_cluster *cluster, const char *name, const skep_settings *settings, skep_group **out) {
    static const skep_settings defaults = {0};
    *out = NULL;
    if (cluster->stopping) return skep__broker_fail(cluster, SKEP_ESTATE, "the cluster is stopping");
    int status = check_name(cluster, name);
    if (status != SKEP_OK) return status;
    skep_group *group = add(cluster, name);
    if (group == NULL) return skep__broker_fail(cluster, SKEP_ENOMEM, "group %s: %s", name, skep_strerror(SKEP_ENOMEM));
    status = skep__settings_take(cluster, &group->terms, settings != NULL ? settings : &defaults);
    if (status == SKEP_OK) *out = group;
    else free_group(group);
    return status;
}

int skep_group_setup(skep_group *group, const skep_settings *settings) {
    return skep__settings_add(group->cluster, &group->terms, settings);
}

/* --- the end --- */

void skep__group_prune(const skep_group *group) {
    skep__listeners_prune(group->cluster, &group->terms, skep__slots_are_filling(group));
}

void skep__groups_stop(skep_cluster *cluster) {
    skep_group *group;
    if (cluster->groups == NULL) return;
    uv_timer_stop(&cluster->groups->keep_alive);
    TAILQ_FOREACH(group, &cluster->groups->list, entry) {
        skep__reload_cancel(group);
        skep__slots_stop(group);
        skep__breaker_stop(group);
    }
}

void skep__groups_end(skep_cluster *cluster) {
    if (cluster->groups == NULL) return;
    skep__handle_close(&cluster->handles, (uv_handle_t *)&cluster->groups->keep_alive);
    for (skep_group *group = TAILQ_FIRST(&cluster->groups->list), *next; group != NULL; group = next) {
        next = TAILQ_NEXT(group, entry);
        free_group(group);
    }
}

void skep__groups_free(skep_cluster *cluster) {
    free(cluster->groups);
    cluster->groups = NULL;
}
