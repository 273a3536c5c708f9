/* SPDX-License-Identifier: MIT
 * What happens when: the lives of workers, and what their ends mean for every room. */
#ifndef SKEP_HIVE_HIVE_H
#define SKEP_HIVE_HIVE_H

#include "broker.h"
#include "worker/events.h"

/* What worker/ calls. */
extern const struct skep__worker_events skep__hive_events;

/* --- life.c --- */

/* Something has happened to a worker: looks up the transition and takes it. */
void skep__life(skep_child *child, enum skep__child_signal signal);

/* Name of a state, as users see it; borrowed. */
const char *skep__state_name(enum skep__child_state state);

/* Gives a new worker its time to become ready. */
void skep__watch_ready(skep_child *child);

/* A ready worker's inbox and outbox are connected, or one of them is not: it has so long to connect again. */
void skep__watch_channels(skep_child *child, bool connected);

/* It leaves by itself, or was asked to: its slot is released. */
void skep__child_leave(skep_child *child);

/* It was asked to leave from outside: it is replaced at once, not after a drain that may take
 * long. */
void skep__child_stand_down(skep_child *child);

/* --- heard.c --- */

/* Reads one message of the link and acts upon it. SKEP_OK: there may be more; asking costs a system call each time. */
int skep__read_link(skep_child *child);

/* --- end.c --- */

/* Closes the link; what was not taken goes to others. */
void skep__child_close_link(skep_child *child);

/* Forgets a worker that is not listed any more; frees it with its last handle. */
void skep__child_release(skep_child *child);

/* Kills and reaps all workers, without their events: the user has let go of the cluster. */
void skep__children_end(skep_cluster *cluster);

/* Calls back skep_cluster_disconnect when the last link has closed. */
void skep__check_disconnected(skep_cluster *cluster);

/* --- outbox.c --- */

/* A frame arrived in the outbox; context is the cluster. */
void skep__outbox_received(void *context, const void *data, size_t size_bytes, const struct skep__peer *peer);

/* A worker's inbox has drained; context is the worker. */
void skep__inbox_drained(void *context);

/* --- inbox.c --- */

/* URL of a worker's inbox. */
void skep__inbox_url(const skep_child *child, char *url, size_t capacity_bytes);

/* Opens the inbox of a new worker, for its user if that is another one. Errors: as skep_fork. */
SKEP_MUST_USE int skep__inbox_open(skep_child *child, const struct skep__program *program);

#endif
