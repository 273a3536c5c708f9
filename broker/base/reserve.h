/* SPDX-License-Identifier: MIT
 * Memory that is set aside for what gives memory back: before any is free again, jobs have to be sent, answers read,
 * outcomes told, workers asked to leave. What takes memory for long asks first and gets none of it. Zeroed at first;
 * used on the loop's thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { SKEP__RESERVE_BYTES = 2 * 1024 * 1024 /* enough to send one job of the largest size, and to read its result */ };

struct skep__reserve {
    void *block;            /* NULL: there was no memory for it, or it was given up */
    size_t unchecked_bytes; /* that were taken for long since there was last seen to be more than the block */
};

/* Takes the block, unless that would leave nothing besides. True if it is there. */
bool skep__reserve_take(struct skep__reserve *reserve);

/* Frees the block, so that others find its memory. False if it was not there. */
bool skep__reserve_give_up(struct skep__reserve *reserve);

/* Gives the block up if there is not much more than it. True if it is there. */
bool skep__reserve_check(struct skep__reserve *reserve);

/* Whether so many bytes may be taken for long: not while the block is missing. Checks now and then. */
bool skep__reserve_allows(struct skep__reserve *reserve, size_t size_bytes);
