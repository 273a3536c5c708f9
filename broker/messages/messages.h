/* SPDX-License-Identifier: MIT
 * What workers send and report: messages among them and with the primary, calls, requests and named counters, and how
 * long they took. */
#pragma once

#include "broker.h"
#include "histogram.h"

/* Makes what the room has of a cluster, and frees it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__messages_new(skep_cluster *cluster);
void skep__messages_free(skep_cluster *cluster);

/* The cluster ends: requests that wait for a worker are called back with SKEP_ECLOSED. */
void skep__messages_end(skep_cluster *cluster);

/* --- what happens to workers --- */

/* There is a worker: makes what the room has of it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__messages_worker_made(skep_child *child);

/* Its link has closed: requests that wait for it fail. */
void skep__messages_link_closed(skep_child *child);

/* It has ended: what it has counted on its page and not reported is added, so that the sums are exact even if it was
 * killed. What it reports is counted before: reports that are read after this are known by its process, and not
 * counted. Called again it adds nothing. */
void skep__messages_worker_ended(skep_child *child);

/* Frees what the room has of it, which may be nothing. */
void skep__messages_worker_freed(skep_child *child);

/* Its inbox has drained: it gets the rest of the news that it is owed. */
void skep__messages_inbox_drained(skep_child *child);

/* --- messages --- */

/* A worker's message to others, to all, or to the primary. */
void skep__worker_message(skep_child *child, const struct skep_command_message *message);

/* A worker's reply to a request. */
void skep__worker_reply(skep_child *child, const struct skep_command_reply *reply);

/* Sends a worker the news that follow a number, unless it is still owed some; what does not fit into its inbox follows
 * when that has drained. */
void skep__worker_news_since(skep_child *child, uint64_t seq);

/* The worker that a message is for, by id or by name; NULL if there is none. */
skep_child *skep__receiver_of(skep_cluster *cluster, const struct skep_command_message *message);

/* Sends each ready worker its requestCount. */
void skep__send_request_counts(skep_cluster *cluster);

/* --- counts, which stay at the greatest number rather than begin again at 0 --- */

/* Whether a process was a worker whose page has been counted to the end: what it has reported is in there. */
bool skep__counts_are_final(const skep_cluster *cluster, pid_t pid);

/* A worker's report. child is NULL if it is a stranger's: it counts in the totals only. */
void skep__count_requests(skep_cluster *cluster, skep_child *child,
                          const struct skep_command_incrementRequestCount *report);
void skep__count_named(skep_cluster *cluster, skep_child *child, const struct skep_command_incrementCount *report);

/* --- durations --- */

/* Adds what a worker reports, in jobs/ too; child is NULL if it is gone. Without memory a report is lost. Errors:
 * SKEP_EPROTO, with *why. */
SKEP_MUST_USE int skep__handled(skep_cluster *cluster, skep_child *child, const struct skep_command_handled *handled,
                                const char **why);

/* --- status --- */

/* Adds the room's part to the status of the broker, and to that of a worker. */
void skep__messages_status(const skep_cluster *cluster, struct skep_command_brokerStatus *status);
void skep__messages_worker_status(const skep_child *child, struct skep_command_workerStatus *status);

/* Appends counterStatus for each named counter. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__counters_add(const skep_cluster *cluster, struct skep_frame *frame);

/* Appends handlingStatus for all workers, then for each as long as the answer is not too large. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__handling_add(const skep_cluster *cluster, struct skep_frame *frame);
