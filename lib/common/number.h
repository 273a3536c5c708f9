/* SPDX-License-Identifier: MIT
 * Numbers that may be set: their units and bounds, for all who check, set or explain them. */
#pragma once

#include <skep/skep.h>

#include "contract.h"

enum { SKEP__DAY_MS = 86400000 };

enum skep__unit { SKEP__MILLISECONDS, SKEP__COUNT, SKEP__BYTES };

/* A field of a struct, an unsigned or a uint64_t; 0 there is its default. */
struct skep__number {
    const char *name; /* of the field */
    size_t offset, size_bytes;
    enum skep__unit unit;
    uint64_t least, most; /* that it may be set to */
    uint64_t usual;       /* the default; 0: it is no number */
};

#define SKEP__NUMBER(type, field, unit, least, most, usual) \
    { #field, offsetof(type, field), sizeof(((type *)NULL)->field), SKEP__##unit, least, most, (usual) }

uint64_t skep__number_get(const struct skep__number *number, const void *of);

/* The value is within the bounds. */
void skep__number_set(const struct skep__number *number, void *of, uint64_t value);

/* Whether what a program has set is within the bounds; 0 is, and so is a time beyond the greatest: that bound is for
 * slips of an operator's. Errors: SKEP_EINVAL; then why is one line. */
SKEP_MUST_USE int skep__number_check(const struct skep__number *number, const void *of, char why[SKEP_MAX_REASON + 1]);
