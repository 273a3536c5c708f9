/* SPDX-License-Identifier: MIT
 * Requests and named counters: what workers report, and what the page of one that has ended has beyond that. Sums stay
 * at the greatest number rather than begin again at 0. */
#ifndef SKEP_COUNTS_H
#define SKEP_COUNTS_H

#include "broker.h"

/* A worker's report. child is NULL if the worker has gone: it counts in the totals only. */
void skep__count_requests(skep_cluster *cluster, skep_child *child,
                          const struct skep_command_incrementRequestCount *report);
void skep__count_named(skep_cluster *cluster, skep_child *child, const struct skep_command_incrementCount *report);

/* Adds what a worker that has ended has counted on its page and not reported, so that the sums are exact even if it was
 * killed. All that it sent has been read before: what is read after this counts a second time. Called again it adds
 * nothing. */
void skep__count_unreported(skep_child *child);

#endif
