/* SPDX-License-Identifier: MIT
 * The block is never written to: it costs address space, and pages only where these are counted when they are mapped.
 */
#include "base/reserve.h"

#include <stdlib.h>

enum {
    SPARE_BYTES = 1024 * 1024,        /* besides the block, for what comes and goes: frames, answers, connections */
    UNCHECKED_BYTES = SPARE_BYTES / 4 /* may be taken before another look: a look costs as much as some jobs */
};

/* Compilers remove an allocation that is only compared with NULL: this one has to be made. */
static bool has(size_t size_bytes) {
    void *volatile bytes = malloc(size_bytes);
    bool is_there = bytes != NULL;
    free(bytes);
    return is_there;
}

bool skep__reserve_give_up(struct skep__reserve *reserve) {
    bool was_there = reserve->block != NULL;
    free(reserve->block);
    reserve->block = NULL;
    return was_there;
}

/* Besides what is taken now there is SPARE_BYTES. */
static bool check(struct skep__reserve *reserve, size_t size_bytes) {
    reserve->unchecked_bytes = 0;
    if (reserve->block != NULL && !has(SPARE_BYTES + size_bytes)) skep__reserve_give_up(reserve);
    return reserve->block != NULL;
}

bool skep__reserve_take(struct skep__reserve *reserve) {
    if (reserve->block != NULL) return true;
    reserve->block = malloc(SKEP__RESERVE_BYTES);
    return check(reserve, 0);
}

bool skep__reserve_check(struct skep__reserve *reserve) {
    return check(reserve, 0);
}

bool skep__reserve_allows(struct skep__reserve *reserve, size_t size_bytes) {
    reserve->unchecked_bytes += size_bytes;
    return reserve->unchecked_bytes < UNCHECKED_BYTES ? reserve->block != NULL : check(reserve, size_bytes);
}
