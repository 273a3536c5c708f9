/* SPDX-License-Identifier: MIT
 * Requests and named counters: what workers report, and what the page of one that has ended has beyond that. Sums stay
 * at the greatest number rather than begin again at 0. */
#ifndef SKEP_MESSAGES_COUNTS_H
#define SKEP_MESSAGES_COUNTS_H

#include "broker.h"

/* Whether a process was a worker whose page has been counted to the end: what it has reported is in there. */
bool skep__counts_are_final(const skep_cluster *cluster, pid_t pid);

/* A worker's report. child is NULL if it is a stranger's: it counts in the totals only. */
void skep__count_requests(skep_cluster *cluster, skep_child *child,
                          const struct skep_command_incrementRequestCount *report);
void skep__count_named(skep_cluster *cluster, skep_child *child, const struct skep_command_incrementCount *report);

/* Adds what a worker that has ended has counted on its page and not reported, so that the sums are exact even if it was
 * killed. What it reports is counted before: reports that are read after this are known by its process, and not
 * counted. Called again it adds nothing. */
void skep__count_unreported(skep_child *child);

#endif
