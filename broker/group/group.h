/* SPDX-License-Identifier: MIT
 * Groups: how many workers of which program there are to be, and when one comes again. Each is replaced, scaled,
 * reloaded and broken by itself. */
#pragma once

#include "broker.h"

/* Makes what the room has of a cluster, and the first group, whose settings are the cluster's; frees it when its
 * handles have closed. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__groups_new(skep_cluster *cluster);
void skep__groups_free(skep_cluster *cluster);

/* The cluster stops: no more replacements, trials and reloads; and having no workers does not keep it running. */
void skep__groups_stop(skep_cluster *cluster);

/* The cluster ends, and no worker is left: frees the groups, closes handles. */
void skep__groups_end(skep_cluster *cluster);

/* --- what happens to workers --- */

/* One is ready: a successor takes its place, the breaker may close. */
void skep__groups_worker_ready(skep_child *child);

/* One leaves for good: its place is given up. */
void skep__groups_worker_leaving(skep_child *child);

/* One leaves because it was asked to from outside. False: it will not be replaced, and nothing was done. Else its place
 * is missing a worker, who is to be started by skep__groups_refill. */
SKEP_MUST_USE bool skep__groups_worker_stands_down(skep_child *child);
void skep__groups_refill(const skep_child *child);

/* What a worker's end means for its group */
struct skep__vacancy {
    int64_t delay_ms;  /* a replacement is due after so long; -1: none is, or none yet */
    bool fails_reload; /* the reload under way fails by it */
};

/* One has ended: its place forgets it. Judges whether it failed quickly. */
SKEP_MUST_USE struct skep__vacancy skep__groups_worker_ended(skep_child *child);

/* Its exit was told: what follows from that begins, such as the replacement. */
void skep__groups_exit_told(skep_child *child, const struct skep__vacancy *vacancy);

/* --- one group --- */

/* The group of a name; NULL: there is none. */
skep_group *skep__group_find(const skep_cluster *cluster, const char *name, size_t size_bytes);

skep_cluster *skep__group_cluster(const skep_group *group);

/* What its workers and listeners know of it; borrowed. */
struct skep__terms *skep__group_terms(skep_group *group);

/* Closes its listeners that no worker has a place at, unless workers are being started. */
void skep__group_prune(const skep_group *group);

/* As skep_group_fork, of a cluster that runs. */
SKEP_MUST_USE int skep__group_fork(skep_group *group, const char *const *env, skep_child **child);

/* As skep_group_scale, of a cluster that runs. Errors: SKEP_ESTATE, and those of the two below. */
SKEP_MUST_USE int skep__scale(skep_group *group, unsigned workers);

/* Whether there may be so many workers now. Errors: SKEP_EINVAL, SKEP_EUNDERWAY. */
SKEP_MUST_USE int skep__scale_check(skep_group *group, unsigned workers);

/* Starts or drains workers until there are so many; the cluster runs. Errors: as skep_fork. */
SKEP_MUST_USE int skep__scale_to(skep_group *group, unsigned workers);

/* An operator wants a worker to leave: there is one fewer from then on. Errors: SKEP_ESTATE (it is leaving). */
SKEP_MUST_USE int skep__scale_drain(skep_child *child);

/* --- status --- */

/* Adds the room's part to the status of the broker, and to that of a worker. */
void skep__groups_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status);
void skep__groups_worker_status(const skep_child *child, struct skep_command_workerStatus *status);

/* Appends groupStatus for each group. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__groups_add(const skep_cluster *cluster, struct skep_frame *frame);
