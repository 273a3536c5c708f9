/* SPDX-License-Identifier: MIT
 * The news: numbered items, published, and kept for a while for those that missed some. */
#ifndef SKEP_JOURNAL_NEWS_H
#define SKEP_JOURNAL_NEWS_H

#include "broker.h"

/* Publishes an event. */
void skep__news_event(skep_cluster *cluster, const skep_event *event);

/* Publishes a message to all. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__news_broadcast(skep_cluster *cluster, uint32_t from, const struct skep_bytes *name,
                                       const struct skep_bytes *data);

/* Publishes totals of the broker's status. */
void skep__news_totals(skep_cluster *cluster, const struct skep_command_brokerStatus *status);

/* Calls add for the items after seq, as they are packed, then for the newsEnd; stops at the first that fails and
 * returns its status. */
SKEP_MUST_USE int skep__news_since(skep_cluster *cluster, uint64_t seq,
                                   int (*add)(void *context, const void *data, size_t size_bytes), void *context);

void skep__news_free(skep_cluster *cluster);

#endif
