/* SPDX-License-Identifier: MIT
 * A listener's seats that can be chosen, the best first: a binary heap. */
#ifndef SKEP_HEAP_H
#define SKEP_HEAP_H

#include "broker.h"

/* Order: by the policy's key, then the seat that was chosen longest ago. */
SKEP_MUST_USE int skep__heap_add(struct skep__listener *listener, struct skep__seat *seat);
void skep__heap_remove(struct skep__listener *listener, struct skep__seat *seat);

/* Restores the order after a seat's key has changed. */
void skep__heap_update(struct skep__listener *listener, struct skep__seat *seat);

/* The best seat; NULL if there is none. */
struct skep__seat *skep__heap_best(const struct skep__listener *listener);

#endif
