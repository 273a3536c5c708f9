/* SPDX-License-Identifier: MIT
 * Workers' lives: what supervisor.c, child.c, children.c, slot.c and handoff.c know of each other. */
#ifndef SKEP_WORKER_LIFE_H
#define SKEP_WORKER_LIFE_H

#include "broker.h"

/* --- child.c --- */

/* Starts a process in a slot. Errors: as skep_fork. */
SKEP_MUST_USE int skep__child_start(skep_cluster *cluster, struct skep__slot *slot, skep_child **child);

/* Starts a process that is to take a slot when it is ready. Errors: as skep_fork. */
SKEP_MUST_USE int skep__child_start_successor(struct skep__slot *slot, const struct skep__program *program);

/* Closes its end of the link, and nothing else. */
void skep__child_drop_link(skep_child *child);

/* Forgets the process of a worker that is not listed any more, and what it wrote; frees it with its last handle. */
void skep__child_drop_process(skep_child *child);

/* Waits for the end of a worker that was killed, and kills its group. */
void skep__child_reap(skep_child *child);

/* Sends a signal; value, if it is not 0, goes with it. Errors: as skep_child_kill. */
int skep__child_signal(skep_child *child, int signal, int value);

/* Asks a worker to leave for good. */
void skep__child_dismiss(skep_child *child);

/* Ends a worker at once; reason (static text) goes into its exit event. */
void skep__child_kill(skep_child *child, const char *reason);

/* A frame or message of this worker was malformed: after three within a minute it is ended. */
void skep__child_bad_frame(skep_child *child, const char *channel, const char *why);

/* --- children.c --- */

/* The worker is found and counted from here on. Errors: SKEP_ENOMEM, with cluster.why. */
SKEP_MUST_USE int skep__child_enlist(skep_child *child);

/* The process has ended: the worker is no longer found by id or process, nor counted. */
void skep__child_unlist(skep_child *child);

/* The worker of a process; NULL if there is none. */
skep_child *skep__child_by_pid(skep_cluster *cluster, pid_t pid);

/* --- slot.c --- */

/* The lowest place that is to have no worker, or a new one. Errors: SKEP_ENOMEM, SKEP_EMFILE (descriptors for one more
 * worker would leave too few for the broker). */
SKEP_MUST_USE int skep__slot_get(skep_cluster *cluster, struct skep__slot **slot);

/* Sets the environment of the worker in this place and its replacements. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__slot_set_env(struct skep__slot *slot, const char *const *env);

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
 * comes.
 */
void skep__slot_refill(struct skep__slot *slot, int64_t delay_ms);

/* Starts it whatever the breaker says. */
void skep__slot_start(struct skep__slot *slot);

/* The lowest place whose worker is missing; NULL: there is none. */
struct skep__slot *skep__slot_missing(const skep_cluster *cluster);

/* Starts all that are missing. */
void skep__slots_refill(skep_cluster *cluster);

/* Forgets quick failures: the next one waits as if it were the first. */
void skep__slots_forgive(skep_cluster *cluster);

/* Whether a worker is being started, or one is missing that is to come. */
bool skep__slots_are_filling(const skep_cluster *cluster);

/* No more replacements. */
void skep__slots_stop(skep_cluster *cluster);
void skep__slots_free(skep_cluster *cluster);

/* --- spawn.c --- */

struct skep__spawned {
    pid_t pid;
    int pidfd;
    int link;               /* the broker's end */
    struct skep_page *page; /* to be freed by skep__page_free */
    int output[2];          /* where to read its stdout and stderr; -1: they are not captured */
};

/* Forks and executes a worker. env holds what it alone has beside the program's environment. Errors: as skep_fork. */
SKEP_MUST_USE int skep__spawn(skep_cluster *cluster, uint32_t id, const struct skep__program *program, char *const *env,
                              struct skep__spawned *spawned);

/* --- listen.c --- */

/* A worker asks to listen. */
void skep__listen_asked(skep_child *child, const struct skep_command_listen *listen);

/* A worker gives a listener back. */
void skep__unlisten_asked(skep_child *child, uint64_t number);

#endif
