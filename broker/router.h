/* SPDX-License-Identifier: MIT
 * Commands from workers' outboxes, and messages between workers and the primary. */
#ifndef SKEP_ROUTER_H
#define SKEP_ROUTER_H

#include "broker.h"

/* A frame arrived in the outbox; context is the cluster. */
void skep__outbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);

/* A process has connected to the outbox, or its connection has ended; context is the cluster. */
void skep__outbox_connected(void *context, const struct skep__peer *peer);
void skep__outbox_disconnected(void *context, const struct skep__peer *peer);

/* Whether a peer's connection that was cut may be said: once a second. *said_ms is its latest time; 0: never. */
bool skep__may_say_cut(const skep_cluster *cluster, uint64_t *said_ms);

/* A process violates SP; no peer can connect, because descriptors have run out; context is the cluster. */
void skep__peer_misspoke(void *context, const struct skep__peer *peer, const char *why);
void skep__peers_starved(void *context);

/* A process of another user was turned away; context is the cluster. */
void skep__peer_refused(void *context, pid_t pid, uid_t uid);

/* A worker's inbox has drained, has its worker, has lost it, or turned another process away; context is the worker. */
void skep__inbox_drained(void *context);
void skep__inbox_connected(void *context, const struct skep__peer *peer);
void skep__inbox_disconnected(void *context, const struct skep__peer *peer);
void skep__inbox_refused(void *context, pid_t pid, uid_t uid);

/* The worker that a message is for, by id or by name; NULL if there is none. */
skep_child *skep__receiver_of(skep_cluster *cluster, const struct skep_command_message *message);

/* Ends the requests that wait for a worker whose link has closed. */
void skep__calls_fail(const skep_child *child);

/* Drops all requests without calling back. */
void skep__calls_free(skep_cluster *cluster);

/* Sends each ready worker its requestCount. */
void skep__send_request_counts(skep_cluster *cluster);

/* Calls back skep_cluster_disconnect when the last link has closed. */
void skep__check_disconnected(skep_cluster *cluster);

#endif
