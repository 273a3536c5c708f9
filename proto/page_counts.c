/* SPDX-License-Identifier: MIT
 * What a worker has counted, as its page tells. */
#include "page_counts.h"

#include <string.h>

#include "page_claims.h"

uint64_t skep__page_requests(const struct skep_page *page) {
    return skep__claims_tell(page) ? __atomic_load_n(&page->requests, __ATOMIC_RELAXED) : 0;
}

unsigned skep__page_counter_count(const struct skep_page *page) {
    uint64_t count = skep__claims_tell(page) ? __atomic_load_n(&page->counter_count, __ATOMIC_ACQUIRE) : 0;
    return count < SKEP_MAX_COUNTERS ? (unsigned)count : SKEP_MAX_COUNTERS;
}

bool skep__page_counter(const struct skep_page *page, unsigned index, struct skep_page_counter *counter) {
    const struct skep_page_counter *from = &page->counters[index];
    memcpy(counter->name, from->name, sizeof counter->name);
    counter->count = __atomic_load_n(&from->count, __ATOMIC_RELAXED);
    size_t size_bytes = strnlen(counter->name, sizeof counter->name);
    return size_bytes > 0 && size_bytes <= SKEP_MAX_NAME;
}
