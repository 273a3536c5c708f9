/* SPDX-License-Identifier: MIT
 * What becomes of listeners and workers while descriptors, references in flight or memory run out: they are tried again
 * ten times a second, and one line in ten seconds says what there is too little of. */
#ifndef SKEP_CONNECTIONS_LACK_H
#define SKEP_CONNECTIONS_LACK_H

#include "broker.h"

/* Takes as many descriptors as the system allows, for the broker alone: programs that use select, or close all that
 * there may be, would suffer from so many. A quarter is for connections in flight, since the kernel limits those too.
 * One is kept in reserve. */
void skep__lack_prepare(skep_cluster *cluster);

/* Tries again, a little later: listeners that are starved, and workers that refuse connections or are blocked. */
void skep__lack_retry_soon(skep_cluster *cluster);

/* accept4 failed for want of something. Accepts one connection on the reserve, if it was descriptors and there is one;
 * -1: none. The listener accepts no more until it is tried again. */
int skep__lack_accept(struct skep__member *member, int error);

#endif
