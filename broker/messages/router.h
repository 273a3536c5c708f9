/* SPDX-License-Identifier: MIT
 * Commands from workers' outboxes, and messages between workers and the primary. */
#ifndef SKEP_MESSAGES_ROUTER_H
#define SKEP_MESSAGES_ROUTER_H

#include "broker.h"

/* A frame arrived in the outbox; context is the cluster. */
void skep__outbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);

/* A worker's inbox has drained; context is the worker. */
void skep__inbox_drained(void *context);

/* The worker that a message is for, by id or by name; NULL if there is none. */
skep_child *skep__receiver_of(skep_cluster *cluster, const struct skep_command_message *message);

/* Ends the requests that wait for a worker whose link has closed. */
void skep__calls_fail(const skep_child *child);

/* Drops all requests without calling back. */
void skep__calls_free(skep_cluster *cluster);

/* Sends each ready worker its requestCount. */
void skep__send_request_counts(skep_cluster *cluster);

#endif
