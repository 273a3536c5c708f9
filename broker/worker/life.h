/* SPDX-License-Identifier: MIT
 * Workers' lives: made, found, signalled, forgotten. */
#ifndef SKEP_WORKER_LIFE_H
#define SKEP_WORKER_LIFE_H

#include "broker.h"

/* --- child.c --- */

/* What a worker is to be */
struct skep__start {
    struct skep__terms *terms;           /* of its group */
    const struct skep__program *program; /* the group's, or a reload's */
    char *const *env;                    /* what it alone has beside the program's environment; NULL: nothing */
    struct skep__slot *slot;             /* its group knows it by this */
    uint32_t place;                      /* the number of that */
};

/* Starts a process. Errors: as skep_fork. */
SKEP_MUST_USE int skep__child_start(skep_cluster *cluster, const struct skep__start *start, skep_child **child);

/* Closes its end of the link, and nothing else. */
void skep__child_drop_link(skep_child *child);

/* Waits for messages on its link; if that is full, also until it can be written. */
void skep__child_watch_link(skep_child *child, bool is_full);

/* Forgets the process of a worker that is not listed any more, and what it wrote; frees it with its last handle. */
void skep__child_drop_process(skep_child *child);

/* Waits for the end of a worker that was killed, and kills its group. */
void skep__child_reap(skep_child *child);

enum { SKEP__HOW_SIZE = 64 };

/* How a worker that has exited did so: "was killed by SIGKILL (watchdog)". */
void skep__exit_text(const skep_child *child, char text[SKEP__HOW_SIZE]);

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

/* Name of a state, as users see it; borrowed. */
const char *skep__state_name(enum skep__child_state state);

/* A process, which may be a worker, does not speak SP as it should; context is the cluster. */
void skep__peer_misspoke(void *context, const struct skep__peer *peer, const char *why);

/* --- spawn.c --- */

struct skep__spawned {
    pid_t pid;
    int pidfd;
    int link;               /* the broker's end */
    struct skep_page *page; /* to be freed by skep__page_free */
    int output[2];          /* where to read its stdout and stderr; -1: they are not captured */
};

/* Forks and executes a worker. Errors: as skep_fork. */
SKEP_MUST_USE int skep__spawn(const skep_child *child, const struct skep__start *start, struct skep__spawned *spawned);

#endif
