/* SPDX-License-Identifier: MIT
 * Listening sockets: bound by the broker, shared by workers. */
#ifndef SKEP_CONNECTIONS_LISTENER_H
#define SKEP_CONNECTIONS_LISTENER_H

#include "broker.h"

/* Binds, and listens, for the workers of a group. key is what siblings find it by. Errors: as skep_listen. */
SKEP_MUST_USE int skep__listener_open(skep_cluster *cluster, const struct skep__terms *terms, const char *key,
                                      const struct skep_url *address, int backlog, struct skep__listener **listener);

/* Whether workers accept from it by themselves. With policy reuseport a Unix path, or a descriptor that was given, has
 * one socket, which the broker accepts from. */
bool skep__listener_workers_accept(const struct skep__listener *listener);

/* Gives a worker a place at a listener. *fd is the descriptor that it accepts from by itself, borrowed; -1: the broker
 * accepts. */
SKEP_MUST_USE int skep__listener_join(struct skep__listener *listener, skep_child *child, int *fd);

/* Takes a worker's place away because it wants none any more; the last one closes a listener that is not kept. */
void skep__listener_part(struct skep__seat *seat);

/* Closes the listeners of a group that no worker has a place at and that are not kept, unless workers are being
 * started, which may come for them: what waits there outlives the last worker. So does one that rests until it is
 * resumed. */
void skep__listeners_prune(skep_cluster *cluster, const struct skep__terms *terms, bool workers_are_coming);

/* Looks again whether the broker is to accept. */
void skep__listener_update(struct skep__listener *listener);

/* The worker accepts no more: with policy reuseport the broker accepts from its socket until another worker does. */
void skep__listener_adopt(skep_child *child);

/* Accepts some of what waits at a socket and hands it on, as far as workers have room. */
void skep__member_accept(struct skep__member *member);

/* Accepts again, if accepting was paused and a worker has room; returned connections go first. */
void skep__listener_resume(struct skep__listener *listener);

/* A connection has come back from a worker: it is the next to be handed out, now or as soon as a worker has room. */
void skep__listener_give_back(struct skep__listener *listener, struct skep__connection *connection);

/* Refuses new connections, accepts those in the kernel's queue that workers have room for, then closes the sockets. The
 * listeners stay for what is handed on. Takes a few milliseconds. */
void skep__listeners_finish(skep_cluster *cluster);

/* Closes the listener and what waits. It is freed when its handles have closed and no worker holds a connection
 * untaken. */
void skep__listener_close(struct skep__listener *listener);
void skep__listener_check_free(struct skep__listener *listener);

/* Listens for the primary, as skep_cluster_listen says; the cluster runs. */
SKEP_MUST_USE int skep__listen_named(skep_cluster *cluster, const struct skep__terms *terms, const char *name,
                                     const char *url, const char **bound);

/* The listener of a number; NULL if there is none. */
struct skep__listener *skep__listener_by_number(skep_cluster *cluster, uint64_t number);

#endif
