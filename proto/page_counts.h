/* SPDX-License-Identifier: MIT
 * What a worker has counted, as its page tells. Workers may write anything there, and a child of a worker that has
 * ended may still be writing: nothing is believed unseen, and each value is read once. */
#pragma once

#include <stdbool.h>

#include "contract.h"

/* All requests that the worker has counted; 0 if page is NULL or not kept. */
uint64_t skep__page_requests(const struct skep_page *page);

/* How many named counters there may be: at most SKEP_MAX_COUNTERS; 0 if page is NULL or not kept. */
unsigned skep__page_counter_count(const struct skep_page *page);

/* Copies the named counter of an index below that. False, and *counter undefined, if its name is none. */
bool skep__page_counter(const struct skep_page *page, unsigned index, struct skep_page_counter *counter);
