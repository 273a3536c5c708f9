/* SPDX-License-Identifier: MIT
 * Listeners that rest until they are resumed. */
#ifndef SKEP_CONNECTIONS_REST_H
#define SKEP_CONNECTIONS_REST_H

#include "broker.h"

/* A listener accepts nothing, or goes on; workers that accept from it by themselves are told. No event. */
void skep__listener_set_resting(struct skep__listener *listener, bool resting);

/* The same for all that have this name or URL, with events. False: there is none. */
bool skep__listeners_set_resting(skep_cluster *cluster, const char *name, bool resting);

/* The message to such a worker. */
struct skep_command skep__rest_command(const struct skep__listener *listener);

#endif
