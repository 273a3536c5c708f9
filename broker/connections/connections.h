/* SPDX-License-Identifier: MIT
 * Connections: accepted, handed, taken, finished; which worker gets one. And the broker's end of a worker's link, since
 * commands travel on it between connections. */
#pragma once

#include "broker.h"

/* Makes what the room has of a cluster, and frees it when its handles have closed. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__connections_new(skep_cluster *cluster);
void skep__connections_free(skep_cluster *cluster);

/* With the start of the cluster: takes as many descriptors as the system allows, for the broker alone: programs that
 * use select, or close all that there may be, would suffer from so many. A quarter is for connections in flight, since
 * the kernel limits those too. One is kept in reserve, until the room is closed. */
void skep__connections_open(skep_cluster *cluster);
void skep__connections_close(skep_cluster *cluster);

/* The cluster ends, and no worker is left: closes all listeners, and handles. */
void skep__connections_end(skep_cluster *cluster);

/* --- what happens to workers --- */

/* There is a worker: makes what the room has of it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__connections_worker_made(skep_child *child);

/* It may be given connections. */
void skep__connections_worker_ready(skep_child *child);

/* It accepts no more, and gets none any more: with policy reuseport the broker accepts from its socket until another
 * worker does. */
void skep__connections_worker_leaving(skep_child *child);

/* Its link has closed: what it has not taken goes to others; commands that wait are dropped. */
void skep__connections_link_closed(skep_child *child);

/* Frees what the room has of it, which may be nothing. */
void skep__connections_worker_freed(skep_child *child);

/* Whether it has a place at any listener. */
bool skep__has_listeners(const skep_child *child);

/* --- a worker's link --- */

/* The link of a new worker: connections and commands gather until the end of each iteration. */
void skep__link_open(skep_child *child);

/* Sends what waits, as far as the link takes it; the rest when it can be written. */
void skep__link_send_waiting(skep_child *child);

/* Sends a command behind the connections handed so far. fd (or -1) is copied. Errors: SKEP_ENOMEM,
 * SKEP_EMFILE, SKEP_ECLOSED. */
SKEP_MUST_USE int skep__notify(skep_child *child, const struct skep_command *command, int fd);

/* The same for what the worker must know: one that cannot be told is killed. */
void skep__tell(skep_child *child, const struct skep_command *command);

/* --- what a worker says on it --- */

/* It has received every connection up to a number, and finished or accepted some by itself. */
void skep__taken(skep_child *child, const struct skep_command_taken *taken);

/* It could not take one connection: that goes to another. */
void skep__refused(skep_child *child, uint64_t number);

/* It asks to listen. */
void skep__listen_asked(skep_child *child, const struct skep_command_listen *listen);

/* It gives a listener back. */
void skep__unlisten_asked(skep_child *child, uint64_t number);

/* --- listeners --- */

/* Listens for the primary, as skep_cluster_listen says; the cluster runs. */
SKEP_MUST_USE int skep__listen_named(skep_cluster *cluster, const struct skep__terms *terms, const char *name,
                                     const char *url, const char **bound);

/* Closes the listeners of a group that no worker has a place at and that are not kept, unless workers are being
 * started, which may come for them: what waits there outlives the last worker. So does one that rests until it is
 * resumed. */
void skep__listeners_prune(skep_cluster *cluster, const struct skep__terms *terms, bool workers_are_coming);

/* Those that have this name or URL accept nothing, or go on; workers that accept from them by themselves are told.
 * Events follow. False: there is none. */
bool skep__listeners_set_resting(skep_cluster *cluster, const char *name, bool resting);

/* Refuses new connections, accepts those in the kernel's queue that workers have room for, then closes the sockets. The
 * listeners stay for what is handed on. Takes a few milliseconds. */
void skep__listeners_finish(skep_cluster *cluster);

/* --- status --- */

/* Adds the room's part to the status of the broker, and to that of a worker. */
void skep__connections_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status);
void skep__connections_worker_status(const skep_child *child, struct skep_command_workerStatus *status);

/* Appends listenerStatus for each listener. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__listeners_add(const skep_cluster *cluster, struct skep_frame *frame);
