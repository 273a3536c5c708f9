/* SPDX-License-Identifier: MIT
 * The broker's end of a worker's link: connections and notices out, acknowledgements in. */
#ifndef SKEP_CONNECTIONS_HANDOFF_H
#define SKEP_CONNECTIONS_HANDOFF_H

#include "broker.h"

/* Hands a connection to a worker, which owns it from here on; it leaves with others at the end of the iteration. */
void skep__hand(skep_child *child, struct skep__connection *connection);

/* Sends a command behind the connections handed so far. fd (or -1) is copied. Errors: SKEP_ENOMEM,
 * SKEP_EMFILE, SKEP_ECLOSED. */
SKEP_MUST_USE int skep__notify(skep_child *child, const struct skep_command *command, int fd);

/* The same with two commands in one message. second may be NULL. */
SKEP_MUST_USE int skep__notify_both(skep_child *child, const struct skep_command *first,
                                    const struct skep_command *second, int fd);

/* The same, for what the worker must know: one that cannot be told is killed. */
void skep__tell(skep_child *child, const struct skep_command *first, const struct skep_command *second, int fd);

/* The worker has received every connection up to a number, and finished or accepted some by itself. */
void skep__taken(skep_child *child, const struct skep_command_taken *taken);

/* The worker could not take one connection: it goes to another. */
void skep__refused(skep_child *child, uint64_t number);

/* What the worker has not taken goes to others; notices are dropped. To be called when the link has ended. */
void skep__give_back(skep_child *child);

/* The link of a new worker: connections and notices gather until the end of each iteration. */
void skep__link_open(skep_child *child);

/* Watches the link; sends what waits when it can. */
void skep__link_watch(skep_child *child);

/* Closes a connection that no worker can take. */
void skep__connection_drop(struct skep__connection *connection);

#endif
