/* SPDX-License-Identifier: MIT
 * The state of hive/. */
#pragma once

#include "clients/clients.h"
#include "connections/connections.h"
#include "group/group.h"
#include "hive/hive.h"
#include "journal/journal.h"
#include "messages/messages.h"

/* What happens to a worker */
enum skep__child_signal {
#define SIGNAL(id, name) SKEP__SIGNAL_##id,
#include "worker/states.def"
    SKEP__SIGNALS
};

struct skep__hive {
    skep_cluster *cluster;
    struct skep__port *outbox;
    struct skep_reader outbox_reader, link_reader;
    struct skep__link_message *link_message; /* that was read last, of any link */

    skep_disconnected_cb disconnected; /* of skep_cluster_disconnect */
    void *disconnected_context;
    bool disconnecting; /* it is to be called back when the last link has closed */
    struct skep__flush disconnected_flush;

    /* ever */
    uint64_t bad_frames; /* of strangers, in the outbox */
    uint64_t cut;        /* connections of workers that ended while both sides lived, and were made again */
};

/* How far a worker has come in its life */
struct skep__progress {
    skep_child *child;
    bool hello_received;
    bool said_ready;                                /* it becomes ready when its inbox and outbox are connected */
    struct skep__alarm deadline;                    /* until it is ready, or has ended after it was asked to */
    unsigned escalation;                            /* signals sent to a leaving worker: 1: SIGTERM, 2: SIGKILL */
    uint64_t inbox_connections, outbox_connections; /* of it so far; from the second on, the one before was cut */
    unsigned inbox_live, outbox_live;               /* of these; it is ready only while there is one of each */
    uint64_t cut_said_ms; /* when it was last said that one of these was cut; the loop's time; 0: never */
};

/* --- parts.c --- */

/* Makes what the rooms have of a worker, and frees it, which may be less. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__parts_new(skep_child *child);
void skep__parts_free(skep_child *child);

/* The same with its inbox. */
void skep__worker_unmade(skep_child *child);

/* URL of a worker's inbox. */
void skep__inbox_url(const skep_child *child, char *url, size_t capacity_bytes);

/* --- end.c --- */

/* Closes the link; what was not taken goes to others. */
void skep__child_close_link(skep_child *child);

/* Forgets a worker that is not listed any more; frees it with its last handle. */
void skep__child_release(skep_child *child);

/* --- admission.c: what keeps a worker from being given work --- */

/* Whether a worker that says hello runs as a user who may connect to its channels. If not, why, in words. */
bool skep__admission_allows(const skep_child *child, char why[SKEP_MAX_REASON + 1]);

/* Which channels of a worker that has sent ready are not connected, in words; "" if it has not sent it. */
void skep__admission_missing(const skep_child *child, char why[SKEP_MAX_REASON + 1]);

/* --- life.c --- */

/* Something has happened to a worker: looks up the transition and takes it. */
void skep__life(skep_child *child, enum skep__child_signal signal);

/* Gives a new worker its time to become ready. */
void skep__watch_ready(skep_child *child);

/* A ready worker's inbox and outbox are connected, or one of them is not: it has so long to connect again. */
void skep__watch_channels(skep_child *child, bool connected);

/* It leaves by itself, or was asked to: its slot is released. */
void skep__child_leave(skep_child *child);

/* It was asked to leave from outside: it is replaced at once, not after a drain that may take long. */
void skep__child_stand_down(skep_child *child);

/* --- outbox.c --- */

/* A frame arrived in the outbox; context is the cluster. */
void skep__outbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);

/* A worker's inbox has drained; context is the worker. */
void skep__inbox_drained(void *context);

/* --- channels.c --- */

/* The worker has sent ready, or one of its channels has connected or ended: it becomes ready if nothing is missing any
 * more; one that was ready has as long again to connect what is. */
void skep__channels_check(skep_child *child);

/* A process has connected to the outbox, or its connection has ended; context is the cluster. */
void skep__outbox_connected(void *context, const struct skep__peer *peer);
void skep__outbox_disconnected(void *context, const struct skep__peer *peer);

/* A worker's inbox has its worker, has lost it, or turned another process away; context is the worker. What was on its
 * way through a connection that was cut is sent again, as far as the worker's page tells that it has not begun. */
void skep__inbox_connected(void *context, const struct skep__peer *peer);
void skep__inbox_disconnected(void *context, const struct skep__peer *peer);
void skep__inbox_refused(void *context, pid_t pid, uid_t uid);

/* --- heard.c --- */

/* Reads one message of the link and acts upon it. SKEP_OK: there may be more; asking costs a system call each time. */
int skep__read_link(skep_child *child);

/* Its process has ended; how is filled in. */
void skep__worker_ended(skep_child *child);
