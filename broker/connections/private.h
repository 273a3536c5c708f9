/* SPDX-License-Identifier: MIT
 * The state of connections/. */
#pragma once

#include "connections/connections.h"
#include "journal/journal.h"
#include "url.h"
#include "worker/worker.h"

/* A connection from its acceptance until a worker has taken it */
struct skep__connection {
    STAILQ_ENTRY(skep__connection) entry; /* in taker.untaken or in listener.waiting */
    struct skep__listener *listener;
    uint64_t number;    /* on the child's link */
    uint64_t handed_ms; /* the loop's time */
    int fd;             /* the broker's copy */
    bool counted;       /* in the totals: a connection that is handed on counts once */
};
STAILQ_HEAD(skep__connection_list, skep__connection);

/* A command that waits for its turn on a link, behind the connections numbered up to after */
struct skep__notice {
    STAILQ_ENTRY(skep__notice) entry;
    struct skep_frame frame;
    uint64_t after;
    int fd; /* a copy of a listening descriptor; -1: none */
};

/* A worker's place at a listener */
struct skep__seat {
    LIST_ENTRY(skep__seat) of_taker;
    LIST_ENTRY(skep__seat) of_listener;
    skep_child *child;
    struct skep__taker *taker; /* the worker's */
    struct skep__listener *listener;
    struct skep__heap_node node; /* in listener.heap, unless the worker cannot be chosen now */
    uint64_t turns;              /* connections given to this seat, less what it missed beyond the catch-up */
    uint64_t picked;             /* number of the pick that chose it last */
};

/* A socket of a listener. There is one, or, with policy reuseport, one for each worker. */
struct skep__member {
    LIST_ENTRY(skep__member) entry;
    struct skep__listener *listener;
    skep_child *owner; /* it accepts from this socket; NULL: the broker does */
    int fd;
    uv_poll_t poll;
    bool polling;
    bool waits; /* a connection did when the broker looked last: overdue.c */
};

struct skep__listener {
    LIST_ENTRY(skep__listener) entry;
    skep_cluster *cluster;
    const struct skep__terms *terms; /* the group's that it belongs to */
    uint32_t number;
    char key[SKEP_MAX_URL + 16];  /* URL as asked for and how many times the asker had asked before */
    char name[SKEP_MAX_NAME + 1]; /* given with skep_cluster_listen; "" */
    char url[SKEP_MAX_URL + 1];   /* with the real port */
    struct skep_url address;      /* bound */
    int backlog;
    bool kept; /* stays when the last worker leaves */
    bool closed;
    int open_polls;
    LIST_HEAD(, skep__member) members;
    LIST_HEAD(, skep__seat) seats;

    struct skep__heap heap; /* of the seats that can be chosen, the best first */
    uint64_t turn;          /* turns of the seat chosen last */
    uint64_t picks;         /* connections dispatched */

    struct skep__connection_list waiting; /* accepted, then given back; for the next worker that can take them */
    uint64_t accepted;                    /* by the broker */
    uint64_t queued;                      /* accepted and not yet taken */
    bool paused;                          /* no worker has room for a connection */
    bool starved;                         /* out of descriptors */
    bool resting;                         /* paused by an operator */
};

/* What the room has of a worker */
struct skep__taker {
    skep_child *child;
    uint64_t live;     /* connections taken and not finished */
    uint64_t accepted; /* ever, by itself or handed to it */
    LIST_HEAD(, skep__seat) seats;

    STAILQ_HEAD(, skep__notice) notices; /* on their way over the link, as the next */
    unsigned notice_count;
    struct skep__connection_list untaken; /* handed to it, oldest first */
    struct skep__connection *unsent;      /* the first that has not left yet; NULL: none */
    unsigned untaken_count;
    uint64_t next_number;          /* of the connection handed last */
    struct skep__flush link_flush; /* sends these at the end of the iteration */

    bool behind;              /* it has not acknowledged for a while */
    bool refusing;            /* it could not take a connection; it gets none until lack_timer fires */
    uint64_t refused_said_ms; /* when it was last said that it refuses; the loop's time; 0: never */
    bool blocked;             /* descriptors cannot be sent to it before lack_timer fires */
    unsigned listen_refusals; /* in a row, because it has too many listeners */
    uint64_t listen_said_ms;  /* when it was last said that it has too many listeners; the loop's time; 0: never */
};

struct skep__connections {
    skep_cluster *cluster;
    LIST_HEAD(, skep__listener) listeners;
    uint32_t next_listener;
    unsigned in_flight;               /* connections on their way to workers */
    unsigned max_in_flight;           /* by RLIMIT_NOFILE */
    int reserve;                      /* a descriptor to spare; -1: none */
    uv_timer_t lack_timer;            /* runs while a listener or a worker waits for what ran out */
    uv_timer_cb retry;                /* what it does then: lets all of them try again */
    struct skep__alarm overdue_alarm; /* set while workers accept from sockets of their own */
    uint64_t accepted, redispatched;  /* ever */
};

/* All workers accept from its one socket. */
static inline bool skep__listener_is_shared(const struct skep__listener *listener) {
    return listener->terms->settings->policy == SKEP_POLICY_SHARED;
}

/* A file calls only those before it. */

/* --- lack.c: what becomes of listeners and workers while descriptors, references in flight or memory run out: they are
 * tried again ten times a second, and one line in ten seconds says what there is too little of --- */

/* Tries again, a little later: listeners that are starved, and workers that refuse connections or are blocked. */
void skep__lack_retry_soon(skep_cluster *cluster);

/* Opens the descriptor to spare, if it is gone. False: there is still none. */
bool skep__lack_keep_reserve(skep_cluster *cluster);

/* accept4 failed for want of something. Accepts one connection on the reserve, if it was descriptors and there is one;
 * -1: none. There will be another try. */
int skep__lack_accept(const struct skep__member *member, int error);

/* --- send.c --- */

/* Hands a connection to a worker; it leaves with others at the end of the iteration. The broker keeps its copy of the
 * descriptor until the worker has taken it. */
void skep__hand(skep_child *child, struct skep__connection *connection);

/* As skep__notify, with two commands in one message; second may be NULL. */
SKEP_MUST_USE int skep__notify_both(skep_child *child, const struct skep_command *first,
                                    const struct skep_command *second, int fd);

/* Nothing more leaves: the link has ended. Notices are dropped; connections stay in taker.untaken. */
void skep__send_stop(skep_child *child);

/* --- choose.c: which worker gets a connection --- */

/* Gives a worker a place at a listener; skep__dispatch_update is to follow. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__seat_add(struct skep__listener *listener, skep_child *child, struct skep__seat **seat);
void skep__seat_free(struct skep__seat *seat);

/* The order of a listener's heap: by the policy's key, then the seat that was chosen longest ago. */
bool skep__seat_is_before(const struct skep__heap_node *a, const struct skep__heap_node *b);

/* The worker's place at a listener; NULL if it has none. */
struct skep__seat *skep__seat_find(const struct skep__listener *listener, const skep_child *child);

/* Puts a seat where it belongs in its listener's heap, or takes it out. True: it has come in. */
bool skep__seat_update(struct skep__seat *seat);

/* Whether the worker can take a connection now, of any listener. */
bool skep__may_take(const skep_child *child);

/* The seat that gets a connection, whose turn it was then; NULL: no worker can take it now. */
struct skep__seat *skep__choose(struct skep__listener *listener, int fd);

/* Whether any worker could take a connection of this listener now. */
bool skep__can_dispatch(const struct skep__listener *listener);

/* --- dispatch.c: from a listener's sockets to its workers --- */

enum { SKEP__ACCEPT_BURST = 64 /* connections accepted before the rest of the loop has a turn */ };

/* Whether workers accept from it by themselves. With policy reuseport a Unix path, or a descriptor that was given, has
 * one socket, which the broker accepts from. */
bool skep__listener_workers_accept(const struct skep__listener *listener);

/* Looks again whether the broker is to accept. */
void skep__listener_update(struct skep__listener *listener);

/* To be called whenever something has changed that decides whether a worker can be chosen, or its count of connections.
 */
void skep__dispatch_update(skep_child *child);

/* Gives a connection to a worker. False if none can take it now: it stays the caller's. */
bool skep__dispatch(struct skep__connection *connection);

/* Accepts again, if accepting was paused and a worker has room; returned connections go first. */
void skep__listener_resume(struct skep__listener *listener);

/* A connection, accepted or come back from a worker, is handed out now or, in its turn, as soon as a worker has room.
 */
void skep__listener_give_back(struct skep__listener *listener, struct skep__connection *connection);

/* Accepts up to limit connections of those that wait at a socket, and hands them on. Only what workers have room for:
 * the rest stays in the kernel's queue. */
void skep__member_accept(struct skep__member *member, unsigned limit);

/* Closes the copy of a connection, which a worker has taken, or none can. */
void skep__connection_drop(struct skep__connection *connection);

/* Frees a listener that is closed when its handles have closed and no worker holds a connection untaken. */
void skep__listener_check_free(struct skep__listener *listener);

/* --- handoff.c --- */

/* What the worker has not taken goes to others; notices are dropped. To be called when the link has ended. */
void skep__give_back(skep_child *child);

/* --- rest.c: listeners that rest until they are resumed --- */

/* A listener accepts nothing, or goes on; workers that accept from it by themselves are told. No event. */
void skep__listener_set_resting(struct skep__listener *listener, bool resting);

/* The message to such a worker. */
struct skep_command skep__rest_command(const struct skep__listener *listener);

/* --- overdue.c --- */

/* Looks after the sockets that workers accept from, from now on and as long as there are some. */
void skep__overdue_watch(skep_cluster *cluster);

/* --- listener.c --- */

/* Binds, and listens, for the workers of a group. key is what siblings find it by. Errors: as skep_listen. */
SKEP_MUST_USE int skep__listener_open(skep_cluster *cluster, const struct skep__terms *terms, const char *key,
                                      const struct skep_url *address, int backlog, struct skep__listener **listener);

/* Gives a worker a place at a listener. *fd is the descriptor that it accepts from by itself, borrowed; -1: the broker
 * accepts. */
SKEP_MUST_USE int skep__listener_join(struct skep__listener *listener, skep_child *child, int *fd);

/* Takes a worker's place away because it wants none any more; the last one closes a listener that is not kept. */
void skep__listener_part(struct skep__seat *seat);

/* The worker accepts no more: with policy reuseport the broker accepts from its socket until another worker does. */
void skep__listener_adopt(skep_child *child);

/* Closes the listener and what waits. */
void skep__listener_close(struct skep__listener *listener);

/* The listener of a number; NULL if there is none. */
struct skep__listener *skep__listener_by_number(skep_cluster *cluster, uint64_t number);
