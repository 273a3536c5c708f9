/* SPDX-License-Identifier: MIT
 * Who has a delivery: the worker, which begins it or gives it back, or the broker, which takes it back as long as the
 * worker has not begun it. Each writes the delivery's claim by comparing and swapping, so that exactly one of them gets
 * it, without a message, whatever the worker's loop is doing.
 *
 * A claim is 64 bits: the 30 low bits of the delivery's number, 2 bits for what became of it, and the 32 low bits of
 * CLOCK_MONOTONIC in milliseconds when it was begun. Delivery n has claims[n % SKEP_CLAIMS]. The number of an earlier
 * delivery there says nothing; that of a later one says that this one was taken back, if it had not begun. A worker may
 * write anything there: the worst is that its own jobs run twice or wait. */
#pragma once

#include <stdbool.h>

#include "contract.h"

/* --- the worker --- */

/* Begins a delivery. False: the broker has taken it back, and it must not run. */
bool skep__claim_begin(struct skep_page *page, uint64_t delivery, uint64_t now_ms);

/* Gives back a delivery that was not begun. False: the broker has taken it already. */
bool skep__claim_release(struct skep_page *page, uint64_t delivery);

/* --- the broker; page may be NULL --- */

/* Whether the worker keeps claims: only from such a worker can something be taken back. */
bool skep__claims_are_kept(const struct skep_page *page);

/* Whether the worker tells what it has begun. */
bool skep__claims_tell(const struct skep_page *page);

/* Takes a delivery back. False: the worker has begun it, or keeps no claims. One that it has given back can be taken,
 * too: what it says of that may be lost on its way. */
bool skep__claim_take(struct skep_page *page, uint64_t delivery);

/* Whether the worker has begun a delivery. One that keeps no page begins everything that it is sent, as far as anybody
 * knows. */
bool skep__claim_is_begun(const struct skep_page *page, uint64_t delivery);

/* How long ago a begun delivery was begun; UINT32_MAX if unknown. */
uint32_t skep__claim_age_ms(const struct skep_page *page, uint64_t delivery, uint64_t now_ms);
