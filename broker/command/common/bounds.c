/* SPDX-License-Identifier: MIT */
#include "command/common/bounds.h"

#include <inttypes.h>
#include <stdio.h>

#include "command/common/values.h"

enum { NUMBER_BYTES = 24, HOUR_MS = 3600000 };

/* --- as text --- */

static const struct unit {
    const char *suffix;
    uint64_t size;
} times[] = {{"h", HOUR_MS}, {"s", 1000}, {"ms", 1}},
  sizes[] = {{"G", UINT64_C(1) << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}}, counts[] = {{"", 1}};

/* In the largest unit that divides it; beyond a day in hours, rounded down. */
static const char *text_of(enum skep__unit kind, uint64_t value, char text[NUMBER_BYTES]) {
    const struct unit *unit = kind == SKEP__MILLISECONDS ? times : kind == SKEP__BYTES ? sizes : counts;
    if (kind == SKEP__MILLISECONDS && value > SKEP__DAY_MS) value -= value % HOUR_MS;
    while (unit->size > 1 && (value % unit->size != 0 || value == 0)) unit++;
    bool is_nothing = kind == SKEP__MILLISECONDS && value == 0;
    snprintf(text, NUMBER_BYTES, "%" PRIu64 "%s", value / unit->size, is_nothing ? "" : unit->suffix);
    return text;
}

/* --- parsing --- */

static const char *no_time(const struct skep__number *number, char why[BOUNDS_TEXT_BYTES]) {
    static const char begin[] = "expected a time, such as 10, 0.5, 500ms or 5m,";
    char least[NUMBER_BYTES], most[NUMBER_BYTES];
    text_of(number->unit, number->least, least);
    text_of(number->unit, number->most, most);
    if (number->least == 0) snprintf(why, BOUNDS_TEXT_BYTES, "%s at most %s", begin, most);
    else if (number->least == 1) snprintf(why, BOUNDS_TEXT_BYTES, "%s more than 0 and at most %s", begin, most);
    else snprintf(why, BOUNDS_TEXT_BYTES, "%s from %s to %s", begin, least, most);
    return why;
}

static const char *no_count(const struct skep__number *number, char why[BOUNDS_TEXT_BYTES]) {
    if (number->most >= UINT32_MAX)
        snprintf(why, BOUNDS_TEXT_BYTES, "expected a number from %" PRIu64 " on", number->least);
    else
        snprintf(why, BOUNDS_TEXT_BYTES, "expected a number from %" PRIu64 " to %" PRIu64, number->least, number->most);
    return why;
}

static const char *no_size(const struct skep__number *number, char why[BOUNDS_TEXT_BYTES]) {
    static const char begin[] = "expected a number of bytes, such as 1000000, 64K, 512M or 2G";
    if (number->most == UINT64_MAX) return begin;
    snprintf(why, BOUNDS_TEXT_BYTES, "%s, at most %" PRIu64, begin, number->most);
    return why;
}

const char *bounds_parse(const struct skep__number *number, const char *value, uint64_t *parsed) {
    static char why[BOUNDS_TEXT_BYTES];
    uint64_t least = number->least, most = number->most;
    switch (number->unit) {
    case SKEP__MILLISECONDS: return parse_time(value, least, most, parsed) ? NULL : no_time(number, why);
    case SKEP__BYTES: return parse_size(value, most, parsed) ? NULL : no_size(number, why);
    case SKEP__COUNT: break;
    }
    return parse_number(value, least, most, parsed) ? NULL : no_count(number, why);
}

/* --- explaining --- */

void bounds_explain(const struct skep__number *number, const char *words, char text[BOUNDS_TEXT_BYTES]) {
    char least[NUMBER_BYTES], most[NUMBER_BYTES], usual[NUMBER_BYTES];
    int used = 0;
    text_of(number->unit, number->least, least);
    text_of(number->unit, number->most, most);
    if (words == NULL && number->usual != 0) words = text_of(number->unit, number->usual, usual);
    text[0] = '\0';
    if (number->unit == SKEP__MILLISECONDS && number->least > 1)
        used = snprintf(text, BOUNDS_TEXT_BYTES, ", %s at least", least);
    if (number->unit == SKEP__COUNT && number->most < UINT32_MAX)
        used = snprintf(text, BOUNDS_TEXT_BYTES, ", %s to %s", least, most);
    if (words != NULL) snprintf(text + used, BOUNDS_TEXT_BYTES - (size_t)used, " (default: %s)", words);
}
