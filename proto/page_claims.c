/* SPDX-License-Identifier: MIT
 * Claims on deliveries. */
#include "page_claims.h"

enum { WHAT_SHIFT = 32, NUMBER_SHIFT = 34 };

enum what { NOTHING, BEGUN, TAKEN, RELEASED };

static uint64_t *place_of(const struct skep_page *page, uint64_t delivery) {
    return (uint64_t *)&page->claims[delivery % SKEP_CLAIMS];
}

/* Numbers are compared modulo 2^30. The place of a delivery is used for a later one only when its job has begun or was
 * taken back; so a worker that comes to it after that has no right to it any more. */
static enum what what_of(uint64_t claim, uint64_t delivery) {
    const uint64_t most = UINT64_MAX >> NUMBER_SHIFT;
    uint64_t later_by = ((claim >> NUMBER_SHIFT) - delivery) & most;
    if (later_by == 0) return claim >> WHAT_SHIFT & 3;
    return later_by <= most / 2 ? TAKEN : NOTHING;
}

/* Takes it only if it is free. What the worker has given back is free for the broker. */
static bool claim(struct skep_page *page, uint64_t delivery, enum what what, uint64_t now_ms) {
    uint64_t *place = place_of(page, delivery), before = __atomic_load_n(place, __ATOMIC_RELAXED);
    uint64_t after = delivery << NUMBER_SHIFT | (uint64_t)what << WHAT_SHIFT | (now_ms & UINT32_MAX);
    enum what is = what_of(before, delivery);
    return (is == NOTHING || (is == RELEASED && what == TAKEN)) &&
           __atomic_compare_exchange_n(place, &before, after, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

bool skep__claim_begin(struct skep_page *page, uint64_t delivery, uint64_t now_ms) {
    return claim(page, delivery, BEGUN, now_ms);
}

bool skep__claim_release(struct skep_page *page, uint64_t delivery) {
    return claim(page, delivery, RELEASED, 0);
}

static uint64_t writes(const struct skep_page *page) {
    return page != NULL ? __atomic_load_n(&page->writes, __ATOMIC_ACQUIRE) : 0;
}

bool skep__claims_are_kept(const struct skep_page *page) {
    return writes(page) == 2;
}

bool skep__claims_tell(const struct skep_page *page) {
    return writes(page) == 1 || writes(page) == 2;
}

bool skep__claim_take(struct skep_page *page, uint64_t delivery) {
    return skep__claims_are_kept(page) && claim(page, delivery, TAKEN, 0);
}

static enum what look(const struct skep_page *page, uint64_t delivery, uint64_t *claim) {
    *claim = __atomic_load_n(place_of(page, delivery), __ATOMIC_ACQUIRE);
    return what_of(*claim, delivery);
}

bool skep__claim_is_begun(const struct skep_page *page, uint64_t delivery) {
    uint64_t claim, kept = writes(page);
    if (kept == 2) return look(page, delivery, &claim) == BEGUN;
    return kept != 1 || delivery <= __atomic_load_n(&page->begun, __ATOMIC_ACQUIRE);
}

uint32_t skep__claim_age_ms(const struct skep_page *page, uint64_t delivery, uint64_t now_ms) {
    uint64_t claim;
    if (!skep__claims_are_kept(page) || look(page, delivery, &claim) != BEGUN) return UINT32_MAX;
    return (uint32_t)(now_ms - claim);
}
