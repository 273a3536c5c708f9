/* SPDX-License-Identifier: MIT */
#include "common/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t skep__number_get(const struct skep__number *number, const void *of) {
    const char *field = (const char *)of + number->offset;
    if (number->size_bytes == sizeof(uint64_t)) return *(const uint64_t *)(const void *)field;
    return *(const unsigned *)(const void *)field;
}

void skep__number_set(const struct skep__number *number, void *of, uint64_t value) {
    char *field = (char *)of + number->offset;
    if (number->size_bytes == sizeof(uint64_t)) *(uint64_t *)(void *)field = value;
    else *(unsigned *)(void *)field = (unsigned)value;
}

int skep__number_check(const struct skep__number *number, const void *of, char why[SKEP_MAX_REASON + 1]) {
    uint64_t value = skep__number_get(number, of);
    bool is_time = number->unit == SKEP__MILLISECONDS, is_low = value < number->least;
    if (value == 0 || (!is_low && (is_time || value <= number->most))) return SKEP_OK;
    size_t unit_length = is_time ? strlen("_ms") : 0; /* of the name: the unit of a time stands behind the value */
    snprintf(why, SKEP_MAX_REASON + 1, "%.*s %s%" PRIu64 "%s: at %s %" PRIu64,
             (int)(strlen(number->name) - unit_length), number->name, is_time ? "of " : "", value, is_time ? " ms" : "",
             is_low ? "least" : "most", is_low ? number->least : number->most);
    return SKEP_EINVAL;
}
