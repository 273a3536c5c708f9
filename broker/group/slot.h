/* SPDX-License-Identifier: MIT
 * Places for workers, and their replacements: a quick failure waits, longer each time. */
#ifndef SKEP_GROUP_SLOT_H
#define SKEP_GROUP_SLOT_H

#include "broker.h"

/* A place for a worker: a replacement has its predecessor's */
struct skep__slot {
    skep_group *group;
    uint32_t index;
    bool wanted;       /* there is to be a worker */
    skep_child *child; /* it; NULL: it is missing. Others may be on their way out of this place */
    bool used;         /* it was filled before */
    uint64_t restarts;
    unsigned failures;         /* quick ones in a row */
    struct skep__alarm refill; /* set until the replacement starts */
    char **env;                /* for the replacement: as given to skep_group_fork */
    skep_child *successor;     /* of a reload: takes the place when it is ready; NULL: none */
    bool renewed;              /* the reload under way has given it its new worker */
};

/* The lowest place that is to have no worker, or a new one. Errors: SKEP_ENOMEM, SKEP_EMFILE (descriptors for one more
 * worker would leave too few for the broker). */
SKEP_MUST_USE int skep__slot_get(skep_group *group, struct skep__slot **slot);

/* Sets the environment of the worker in this place and its replacements. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__slot_set_env(struct skep__slot *slot, const char *const *env);

/* Starts a worker there; child may be NULL. Errors: as skep_fork. */
SKEP_MUST_USE int skep__slot_start(struct skep__slot *slot, skep_child **child);

/* Starts one that is to take the place when it is ready. Errors: as skep_fork. */
SKEP_MUST_USE int skep__slot_start_successor(struct skep__slot *slot, const struct skep__program *program);

/* Starts the missing worker whatever the breaker says; what fails is said, and tried again. */
void skep__slot_try(struct skep__slot *slot);

/* A worker has ended: its place is free. Judges whether it failed quickly; returns in how many milliseconds a
 * replacement is due, -1 for none, or none yet. */
int64_t skep__slot_vacate(const skep_child *child);

/* There is to be no worker in this place. The one that leaves may stay for a while, but the place is free at once. */
void skep__slot_give_up(struct skep__slot *slot);

/* A successor is on its way: it comes instead of the replacement that is due. */
void skep__slot_hold(struct skep__slot *slot);

/* There is no successor any more: the replacement that was due is due again. */
void skep__slot_unhold(struct skep__slot *slot);

/* Starts the worker that is missing here after a while; 0: now. Not while the breaker is open, nor if a successor
 * comes. */
void skep__slot_refill(struct skep__slot *slot, int64_t delay_ms);

/* The lowest place whose worker is missing; NULL: there is none. */
struct skep__slot *skep__slot_missing(const skep_group *group);

/* Starts all that are missing. */
void skep__slots_refill(skep_group *group);

/* Forgets quick failures: the next one waits as if it were the first. */
void skep__slots_forgive(skep_group *group);

/* Whether a worker is being started, or one is missing that is to come. */
bool skep__slots_are_filling(const skep_group *group);

/* No more replacements. */
void skep__slots_stop(skep_group *group);
void skep__slots_free(skep_group *group);

#endif
