/* SPDX-License-Identifier: MIT
 * Processes that want something of the broker's sockets. */
#ifndef SKEP_JOURNAL_PEERS_H
#define SKEP_JOURNAL_PEERS_H

#include "broker.h"

/* A process of another user was turned away; context is the cluster. */
void skep__peer_refused(void *context, pid_t pid, uid_t uid);

/* Nobody can connect for want of descriptors; context is the cluster. */
void skep__peers_starved(void *context);

#endif
