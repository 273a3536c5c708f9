/* SPDX-License-Identifier: MIT
 * Messages between workers, and between them and the primary. */
#ifndef SKEP_MESSAGES_ROUTER_H
#define SKEP_MESSAGES_ROUTER_H

#include "broker.h"

/* A worker's message to others, to all, or to the primary. */
void skep__worker_message(skep_child *child, const struct skep_command_message *message);

/* A worker's reply to a request. */
void skep__worker_reply(skep_child *child, const struct skep_command_reply *reply);

/* Sends a worker the news that follow a number; what does not fit into its inbox follows when that has drained, if this
 * is called again. */
void skep__worker_news_since(skep_child *child, uint64_t seq);

/* The worker that a message is for, by id or by name; NULL if there is none. */
skep_child *skep__receiver_of(skep_cluster *cluster, const struct skep_command_message *message);

/* Ends the requests that wait for a worker whose link has closed. */
void skep__calls_fail(const skep_child *child);

/* Drops all requests without calling back. */
void skep__calls_free(skep_cluster *cluster);

/* Sends each ready worker its requestCount. */
void skep__send_request_counts(skep_cluster *cluster);

#endif
