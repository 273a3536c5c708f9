/* SPDX-License-Identifier: MIT
 * Groups: how many workers of which program there are to be, and when one comes again. Each is replaced, scaled,
 * reloaded and broken by itself. */
#ifndef SKEP_GROUP_GROUP_H
#define SKEP_GROUP_GROUP_H

#include <skep/group.h>

#include "broker.h"
#include "common/container.h"
#include "config/settings.h"
#include "group/breaker.h"

struct skep_group {
    TAILQ_ENTRY(skep_group) entry; /* in cluster.groups, in the order in which they were made */
    skep_cluster *cluster;
    struct skep__terms terms; /* what its workers and listeners know of it */
    skep_settings own;        /* what terms.settings is, unless it is the first group */
    struct skep__slot **slots;
    size_t slot_count;
    struct skep__breaker breaker;
    struct skep__reload *reload; /* NULL: none is under way */
    uint64_t reload_requests;    /* reloads and restarts that were asked for, ever: the number of the latest */
    uint64_t restarts;           /* ever */
    bool emptied;                /* it was scaled to no worker, or its last one drained, on purpose */
};

static inline skep_group *skep__group_of(const skep_child *child) {
    return SKEP_CONTAINER(child->terms, skep_group, terms);
}

/* The group that a cluster is made with: its settings are the cluster's. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__groups_open(skep_cluster *cluster);

/* The group of a name; NULL: there is none. */
skep_group *skep__group_find(const skep_cluster *cluster, const char *name, size_t size_bytes);

/* How many workers there are to be in all groups. */
unsigned skep__groups_wanted(const skep_cluster *cluster);

/* Closes the group's listeners that no worker has a place at, unless workers are being started. */
void skep__group_prune(const skep_group *group);

/* No more replacements, trials and reloads: the cluster stops. */
void skep__groups_stop(skep_cluster *cluster);

/* Workers have ended before. */
void skep__groups_free(skep_cluster *cluster);

#endif
