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

/* What would have been right, overwritten by the next call. */
static const char *expected(const struct skep__number *number) {
    static const char time[] = "expected a time, such as 10, 0.5, 500ms or 5m,", count[] = "expected a number from";
    static const char size[] = "expected a number of bytes, such as 1000000, 64K, 512M or 2G";
    static char why[BOUNDS_TEXT_BYTES];
    char least[NUMBER_BYTES], most[NUMBER_BYTES];
    text_of(number->unit, number->least, least);
    text_of(number->unit, number->most, most);
    if (number->unit == SKEP__BYTES) {
        if (number->most == UINT64_MAX) return size;
        snprintf(why, sizeof why, "%s, at most %" PRIu64, size, number->most);
    } else if (number->unit == SKEP__COUNT) {
        if (number->most >= UINT32_MAX) snprintf(why, sizeof why, "%s %s on", count, least);
        else snprintf(why, sizeof why, "%s %s to %s", count, least, most);
    } else if (number->least > 1) snprintf(why, sizeof why, "%s from %s to %s", time, least, most);
    else snprintf(why, sizeof why, "%s %sat most %s", time, number->least == 1 ? "more than 0 and " : "", most);
    return why;
}

const char *bounds_parse(const struct skep__number *number, const char *value, uint64_t *parsed) {
    uint64_t least = number->least, most = number->most;
    bool is_right = number->unit == SKEP__MILLISECONDS ? parse_time(value, least, most, parsed)
                    : number->unit == SKEP__BYTES      ? parse_size(value, most, parsed)
                                                       : parse_number(value, least, most, parsed);
    return is_right ? NULL : expected(number);
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
