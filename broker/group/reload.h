/* SPDX-License-Identifier: MIT
 * Rolling reload: each place gets a successor, which takes it when it is ready; only then its old worker leaves. */
#ifndef SKEP_GROUP_RELOAD_H
#define SKEP_GROUP_RELOAD_H

#include "broker.h"

/* Whether a reload, or the restart of one worker, is under way. */
bool skep__reload_is_underway(const skep_group *group);

/* Notes for skep_cluster_why what is under way. Returns SKEP_EUNDERWAY. */
int skep__reload_refuse(skep_group *group);

/* How many places have their new worker, of how many; both 0 if no reload is under way. */
void skep__reload_progress(const skep_group *group, uint32_t *step, uint32_t *steps);

/* A worker has become ready. */
void skep__reload_child_ready(skep_child *child);

/* A worker has ended, and its place is about to forget it. Returns whether the reload under way fails by that. */
bool skep__reload_child_ends(const skep_child *child);

/* There is to be no worker in a place: its successor is not wanted. */
void skep__reload_place_given_up(struct skep__slot *slot);

/* Its place has forgotten it, and its exit was told. */
void skep__reload_child_ended(skep_child *child, bool fails_reload);

/* Ends a reload without a word, because the cluster ends. */
void skep__reload_cancel(skep_group *group);

#endif
