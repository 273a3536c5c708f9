/* SPDX-License-Identifier: MIT
 * One worker as a process: started, fed over its link, watched, signalled, reaped; and all that there are. */
#pragma once

#include "config/config.h"

/* What happens to a worker, for the rooms above this one: hive/ fills it in. */
struct skep__worker_events {
    /* It has a process, which loads its program meanwhile: what it is given its work by is opened. Errors: as
     * skep_fork; it is ended then. */
    int (*made)(skep_child *child, const struct skep__program *program);
    /* It cannot be watched: what was opened and made for it, if anything, is freed. */
    void (*unmade)(skep_child *child);
    /* It can be found, and its link may be written and read. */
    void (*watched)(skep_child *child);
    /* A message of its link can be read, or its end. SKEP_OK: there may be more; asking costs a system call each
     * time. */
    int (*readable)(skep_child *child);
    /* Its link, which was full, can be written. */
    void (*writable)(skep_child *child);
    /* It is to leave for good. */
    void (*dismissed)(skep_child *child);
    /* Its process has ended; how is filled in. */
    void (*ended)(skep_child *child);
};

/* Makes what the room has of a cluster, and frees it when its handles have closed. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__workers_new(skep_cluster *cluster, const struct skep__worker_events *events);
void skep__workers_free(skep_cluster *cluster);

/* Kills what a broker of this directory has left behind that was killed. */
void skep__workers_inherit(const skep_cluster *cluster);

/* With settings.adopt: becomes the parent of what workers leave behind. Errors: SKEP_ESYS. */
SKEP_MUST_USE int skep__workers_open(skep_cluster *cluster);

/* The cluster ends, and no worker is left: kills and reaps all that were adopted, and waits for their end, a second at
 * most; closes handles. */
void skep__workers_end(skep_cluster *cluster);

/* --- all of them --- */

/* The next one by id, or (NULL) the first; NULL: there is none. As skep_child_next. */
skep_child *skep__child_next(const skep_cluster *cluster, const skep_child *child);

/* The worker of a process; NULL if there is none. */
skep_child *skep__child_by_pid(const skep_cluster *cluster, pid_t pid);

/* The id of the youngest that there ever was; 0: there was none. */
uint32_t skep__child_latest(const skep_cluster *cluster);

/* The process has ended: the worker is no longer found by id or process, nor counted. */
void skep__child_unlist(skep_child *child);

/* --- one --- */

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

/* Waits for messages on its link; if that is full, also until it can be written. */
void skep__child_watch_link(skep_child *child, bool is_full);

/* Closes its end of the link, and nothing else. */
void skep__child_drop_link(skep_child *child);

/* Watches its loop from now on, if the settings say so. Returns how often it is to show signs of life on its page, in
 * milliseconds; 0: not at all. */
unsigned skep__watchdog_start(skep_child *child);

/* Sends a signal; value, if it is not 0, goes with it. Errors: as skep_child_kill. */
int skep__child_signal(skep_child *child, int signal, int value);

/* Ends it at once; reason (static text) goes into its exit event. */
void skep__child_kill(skep_child *child, const char *reason);

/* The same, and its further commands are discarded. */
void skep__child_discard(skep_child *child, const char *reason);

/* A frame or message of it was malformed: after three within a minute it is ended. */
void skep__child_bad_frame(skep_child *child, const char *channel, const char *why);

/* A process, which may be a worker, does not speak SP as it should; context is the cluster. */
void skep__peer_misspoke(void *context, const struct skep__peer *peer, const char *why);

/* It has ended: reads what it left in the pipes of its output, within bounds, and closes them. A process that still
 * holds the other ends is ignored from now on. */
void skep__output_finish(skep_child *child);

/* Waits for the end of one that was killed, and kills its group. */
void skep__child_reap(skep_child *child);

/* Forgets the process of one that is not listed any more, and what it wrote; frees it with its last handle. */
void skep__child_drop_process(skep_child *child);

/* --- what is told of them --- */

/* Name of a state, as users see it; borrowed. */
const char *skep__state_name(enum skep__child_state state);

enum { SKEP__HOW_SIZE = 64 };

/* How one that has exited did so: "was killed by SIGKILL (watchdog)". */
void skep__exit_text(const skep_child *child, char text[SKEP__HOW_SIZE]);

/* Looks at workers whose usage is older than a second, so many of them as a turn of the loop allows. False if some are
 * left; then fresh is called on a later turn, once, when none is. */
bool skep__usage_refresh(skep_cluster *cluster, void (*fresh)(skep_cluster *cluster));

/* fresh is not called any more. */
void skep__usage_stop(skep_cluster *cluster);

/* Adds the room's part to the status of the broker, and to that of a worker: usage as it was looked at last. */
void skep__workers_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status);
void skep__workers_worker_status(const skep_child *child, struct skep_command_workerStatus *status);
