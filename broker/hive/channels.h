/* SPDX-License-Identifier: MIT
 * Connections of workers' channels: who has come, whose was cut, who was turned away. */
#ifndef SKEP_HIVE_CHANNELS_H
#define SKEP_HIVE_CHANNELS_H

#include "broker.h"

/* A process has connected to the outbox, or its connection has ended; context is the cluster. */
void skep__outbox_connected(void *context, const struct skep__peer *peer);
void skep__outbox_disconnected(void *context, const struct skep__peer *peer);

/* A worker's inbox has its worker, has lost it, or turned another process away; context is the worker. What was on its
 * way through a connection that was cut is sent again, as far as the worker's page tells that it has not begun. */
void skep__inbox_connected(void *context, const struct skep__peer *peer);
void skep__inbox_disconnected(void *context, const struct skep__peer *peer);
void skep__inbox_refused(void *context, pid_t pid, uid_t uid);

#endif
