/* SPDX-License-Identifier: MIT
 * Connections that wait at a worker's own socket (policy reuseport) and that the worker does not accept. */
#ifndef SKEP_CONNECTIONS_OVERDUE_H
#define SKEP_CONNECTIONS_OVERDUE_H

#include "broker.h"

/* Looks after the sockets that workers accept from, from now on and as long as there are some. */
void skep__overdue_watch(skep_cluster *cluster);

/* Does not look any more. */
void skep__overdue_stop(skep_cluster *cluster);

#endif
