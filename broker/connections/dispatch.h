/* SPDX-License-Identifier: MIT
 * Which worker gets a connection. */
#ifndef SKEP_CONNECTIONS_DISPATCH_H
#define SKEP_CONNECTIONS_DISPATCH_H

#include "broker.h"

/* Gives a worker a place at a listener. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__seat_add(struct skep__listener *listener, skep_child *child, struct skep__seat **seat);
void skep__seat_free(struct skep__seat *seat);

/* The order of a listener's heap: by the policy's key, then the seat that was chosen longest ago. */
bool skep__seat_is_before(const struct skep__heap_node *a, const struct skep__heap_node *b);

/* The worker's place at a listener; NULL if it has none. */
struct skep__seat *skep__seat_find(const struct skep__listener *listener, const skep_child *child);

/* To be called whenever something has changed that decides whether a worker can be chosen, or its count of connections.
 */
void skep__dispatch_update(skep_child *child);

/* Gives a connection to a worker. False if none can take it now: it stays the caller's. */
bool skep__dispatch(struct skep__connection *connection);

/* Whether any worker could take a connection of this listener now. */
bool skep__can_dispatch(const struct skep__listener *listener);

#endif
