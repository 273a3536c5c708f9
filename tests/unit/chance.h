/* SPDX-License-Identifier: MIT
 * Numbers that look random and are the same in every run: xorshift64*. */
#ifndef SKEP_TESTS_CHANCE_H
#define SKEP_TESTS_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* Below a limit; *seed is not 0. */
static inline size_t chance(uint64_t *seed, size_t limit) {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (size_t)((*seed * UINT64_C(2685821657736338717)) >> 11) % limit;
}

#endif
