/* SPDX-License-Identifier: MIT
 * The state of group/. */
#pragma once

#include "connections/connections.h"
#include "group/group.h"
#include "journal/journal.h"
#include "worker/worker.h"

/* When the latest quick failures were, the oldest first from first on */
struct skep__failures {
    uint64_t ms[SKEP__MOST_FAILURES];
    unsigned first, count;
};

struct skep__breaker {
    struct skep__failures failures;
    bool open;
    struct skep__alarm retry; /* open: until one worker is tried; not set: that one is on its way */
    uint32_t trial;           /* its id */
    uint32_t newest;          /* id of the youngest worker when it opened: it says nothing about those that follow */
    bool unsaid;              /* it opened, and no event has told so */
    char why[SKEP_MAX_REASON + 1];
};

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

struct skep_group {
    TAILQ_ENTRY(skep_group) entry; /* in groups.list */
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

struct skep__groups {
    TAILQ_HEAD(, skep_group) list; /* in the order in which they were made */
    uv_timer_t keep_alive;         /* runs while one is emptied, so that workers can be asked for */
    uint64_t restarts;             /* ever */
};

static inline skep_group *skep__group_of(const skep_child *child) {
    return SKEP_CONTAINER(child->terms, skep_group, terms);
}

/* Whether a reload, or the restart of one worker, is under way. */
static inline bool skep__is_reloading(const skep_group *group) {
    return group->reload != NULL;
}

/* A file calls only those before it. */

/* --- slot.c: places for workers --- */

/* The lowest place that is to have no worker, or a new one. Errors: SKEP_ENOMEM, SKEP_EMFILE (descriptors for one more
 * worker would leave too few for the broker). */
SKEP_MUST_USE int skep__slot_get(skep_group *group, struct skep__slot **slot);

/* Sets the environment of the worker in this place and its replacements. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__slot_set_env(struct skep__slot *slot, const char *const *env);

/* Starts a worker there; child may be NULL. Errors: as skep_fork. */
SKEP_MUST_USE int skep__slot_start(struct skep__slot *slot, skep_child **child);

/* Starts one that is to take the place when it is ready. Errors: as skep_fork. */
SKEP_MUST_USE int skep__slot_start_successor(struct skep__slot *slot, const struct skep__program *program);

/* There is to be no worker in this place. The one that leaves may stay for a while, but the place is free at once. */
void skep__slot_give_up(struct skep__slot *slot);

/* A successor is on its way: it comes instead of the replacement that is due. */
void skep__slot_hold(struct skep__slot *slot);

/* Whether there is to be a worker and none is there, nor a successor on its way. */
bool skep__slot_is_missing(const struct skep__slot *slot);

/* The lowest place whose worker is missing; NULL: there is none. */
struct skep__slot *skep__slot_missing(const skep_group *group);

/* Whether a worker is being started, or one is missing that is to come. */
bool skep__slots_are_filling(const skep_group *group);

/* No more replacements. */
void skep__slots_stop(skep_group *group);
void skep__slots_free(skep_group *group);

/* --- breaker.c: against a program that cannot start: after too many quick failures no worker is started, but one now
 * and then to see whether it can by now --- */

/* Notes one more; returns how many there were in the period that ends now. */
unsigned skep__failures_note(struct skep__failures *failures, uint64_t now_ms, unsigned period_ms);

/* A worker failed quickly, in words; or (id 0) it could not be forked. Opens the breaker if it was one too many. True:
 * the next trial is to be set, for it has opened, or it was the one that was tried. */
SKEP_MUST_USE bool skep__breaker_failed(skep_group *group, uint32_t id, const char *how);

/* Whether this worker (0: the latest) is the one that is being tried. */
bool skep__breaker_tries(const struct skep__breaker *breaker, uint32_t id);

/* Tells by an event that the breaker has opened, unless that was told. */
void skep__breaker_say(skep_group *group);

/* Closes the breaker, and tells so by an event if its opening was told. */
void skep__breaker_close(skep_group *group, const char *reason);

/* No more trials. */
void skep__breaker_stop(skep_group *group);

/* Milliseconds until one worker is tried; 0: it is on its way, or the breaker is closed. */
uint64_t skep__breaker_wait_ms(const skep_group *group);

/* --- refill.c: when a worker that is missing is started: a quick failure waits, longer each time; or the breaker does
 * --- */

/* How long the next one waits after so many quick failures in a row. */
int64_t skep__refill_delay_ms(unsigned failures);

/* Starts the worker that is missing here after a while; 0: now. Not while the breaker is open, nor if a successor
 * comes. What fails is said, and tried again. */
void skep__slot_refill(struct skep__slot *slot, int64_t delay_ms);

/* There is no successor any more: the replacement that was due is due again. */
void skep__slot_unhold(struct skep__slot *slot);

/* As skep__breaker_failed, and sets the next trial. */
void skep__refill_failed(skep_group *group, uint32_t id, const char *how);

/* A worker has become ready: closes the breaker if it was started since. */
void skep__refill_child_ready(const skep_child *child);

/* A worker has ended: if it was the one that was tried, there will be another. */
void skep__refill_child_ended(const skep_child *child);

/* Closes the breaker, if it is open, forgets quick failures and starts the missing workers. */
void skep__refill_resume(skep_group *group, const char *reason);

/* --- vacancy.c --- */

/* A worker has ended: its place is free. Judges whether it failed quickly; returns in how many milliseconds a
 * replacement is due, -1 for none, or none yet. */
int64_t skep__slot_vacate(const skep_child *child);

/* --- reload.c: each place gets a successor, which takes it when it is ready; only then its old worker leaves --- */

/* Notes for skep_cluster_why what is under way. Returns SKEP_EUNDERWAY. */
int skep__reload_refuse(skep_group *group);

/* How many places have their new worker, of how many; both 0 if no reload is under way. */
struct skep__steps {
    uint32_t done, all;
};
struct skep__steps skep__reload_progress(const skep_group *group);

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

/* --- group.c --- */

/* How many workers there are to be in all groups. */
unsigned skep__groups_wanted(const skep_cluster *cluster);
