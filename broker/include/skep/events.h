/* SPDX-License-Identifier: MIT
 * Events of a primary's workers, and how they have ended. skep/cluster.h includes this. */
#ifndef SKEP_EVENTS_H
#define SKEP_EVENTS_H

#include <skep/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct skep_cluster skep_cluster;
typedef struct skep_child skep_child;

enum skep_event_kind {
    SKEP_EVENT_SETUP,      /* skep_setup_primary was called */
    SKEP_EVENT_FORK,       /* a process was started */
    SKEP_EVENT_ONLINE,     /* its runtime is up */
    SKEP_EVENT_LISTENING,  /* it listens; once per listen */
    SKEP_EVENT_READY,      /* it gets connections and jobs (Skep's own) */
    SKEP_EVENT_MESSAGE,    /* it sent a message to the primary */
    SKEP_EVENT_DRAIN,      /* it begins to leave (Skep's own) */
    SKEP_EVENT_DISCONNECT, /* its link is closed */
    SKEP_EVENT_EXIT,       /* its process has ended */
    SKEP_EVENT_ERROR,      /* something failed; reason says what. child may be NULL */
    SKEP_EVENT_STOP,       /* the cluster begins to stop (Skep's own) */
    SKEP_EVENT_DEAD,       /* jobs became dead letters; reason says which and why (Skep's own) */
    /* All that follow are Skep's own; reason has details */
    SKEP_EVENT_SCALE,   /* the wanted number of workers is step, was steps */
    SKEP_EVENT_RELOAD,  /* see phase; child of a step is the new worker, of an abort the one that failed */
    SKEP_EVENT_BREAKER, /* see phase; while it is open no worker is started */
    SKEP_EVENT_PAUSE,   /* a listener (url) or a queue was paused */
    SKEP_EVENT_RESUME,  /* it was resumed */
    SKEP_EVENT_SIGNAL,  /* child: a signal was sent to it on request; NULL: the broker got one, reason says which, from
                           whom */
    SKEP_EVENT_KINDS
};

/* Name of an event such as "listening"; borrowed. */
const char *skep_event_name(enum skep_event_kind kind);

typedef struct skep_event {
    enum skep_event_kind kind;
    skep_child *child; /* NULL if no worker is concerned: setup, stop, dead, scale, breaker, pause, resume, a reload
                          as a whole, and some errors */
    const char *group; /* name of the worker's group, or of the one that was scaled, reloaded, or whose breaker or
                          listener it is; NULL if no group is concerned */

    /* exit: one of the two is -1 */
    int code;
    int signal;
    /* exit: "voluntary", "exited" (status 0, not asked to), "crashed", "killed" (by a stop at once), "not-ready",
     * "drain-timeout", "watchdog", "protocol", "link" (commands could not be sent to it), "reload" (a new worker that
     * was not ready when the reload ended, or whose slot was removed). disconnect: the same, if its process has ended
     * by then, or "voluntary", or the reason for which the broker ended it; else "lost": the link ended unexpectedly,
     * and the exit says why. Others: one line, or NULL */
    const char *reason;
    uint64_t uptime_ms; /* exit */
    int64_t delay_ms;   /* exit: a replacement starts after this; -1: none, or not until the breaker closes */

    /* reload: "pending", "replaced", "begun", "step", "done", "aborted"; breaker: "opened", "closed"; else NULL */
    const char *phase;
    uint32_t step, steps; /* reload: slots with their new worker, of how many; scale: wanted now, before */
    uint32_t requests;    /* reload: for how many requests it is, from the number in request on */
    const char *queue;    /* pause, resume: NULL if it is a listener */

    /* listening; url of pause and resume too */
    const char *url;
    int address_type; /* 4, 6 or -1 for a Unix path */
    const char *address;
    uint16_t port;
    int fd; /* the listening descriptor, borrowed; -1 if there is none */

    /* message */
    const char *name;
    const void *data;
    size_t size_bytes;

    /* message: not 0: the worker waits for skep_child_reply. reload: number of the first request that the event is
     * about, as skep_cluster_reload_request gave it */
    uint64_t request;
} skep_event;

typedef void (*skep_event_cb)(skep_cluster *cluster, const skep_event *event, void *context);

/* Adds a callback for events of a kind, from the next one on, not for one whose callbacks are running. Listeners of one
 * worker are called before those of the cluster, except for message, where the cluster's come first. Errors:
 * SKEP_EINVAL, SKEP_ENOMEM. */
SKEP_MUST_USE int skep_on(skep_cluster *cluster, enum skep_event_kind kind, skep_event_cb callback, void *context);
SKEP_MUST_USE int skep_child_on(skep_child *child, enum skep_event_kind kind, skep_event_cb callback, void *context);

/* The same for one event: the callback is removed before it is called. */
SKEP_MUST_USE int skep_once(skep_cluster *cluster, enum skep_event_kind kind, skep_event_cb callback, void *context);
SKEP_MUST_USE int skep_child_once(skep_child *child, enum skep_event_kind kind, skep_event_cb callback, void *context);

/* Removes the latest callback with this kind, callback and context; it is not called again, not even for an event whose
 * callbacks are running. False: there is none. */
bool skep_off(skep_cluster *cluster, enum skep_event_kind kind, skep_event_cb callback, void *context);
bool skep_child_off(skep_child *child, enum skep_event_kind kind, skep_event_cb callback, void *context);

/* Data of a worker after its end. */
typedef struct skep_exit_facts {
    uint32_t id;
    uint32_t slot;
    pid_t pid;
    char name[65];     /* that it reported; "" if it never did */
    const char *group; /* name of its group; valid until the cluster is freed */
    int code;          /* code, signal, reason, uptime_ms, delay_ms: as in its exit event; reason is static text */
    int signal;
    const char *reason;
    uint64_t uptime_ms;
    int64_t delay_ms;
    uint64_t time_ms; /* when it ended; wall clock, since 1970 */
    bool voluntary;   /* it was asked to leave, or left by itself (Node: exitedAfterDisconnect) */
    bool ready;       /* it had become ready */
    uint64_t accepted, requests, messages, jobs_done; /* totals */
    uint64_t connections;                             /* that it had not finished */
} skep_exit_facts;

/* Data of an ended worker, of the latest 256, from the exit event on. Errors: SKEP_ENOWORKER (it is running, unknown,
 * or not among the latest). */
SKEP_MUST_USE int skep_child_exit_facts(const skep_cluster *cluster, uint32_t id, skep_exit_facts *facts);

#ifdef __cplusplus
}
#endif
#endif
