/* SPDX-License-Identifier: MIT
 * How far a word is from the one that was meant: the distance of Damerau and Levenshtein, bounded, by recursion. */
#include "command/common/typo.h"

#include <string.h>

/* Whether at most so many changes make b of a. */
static bool is_within(const char *a, const char *b, int changes) {
    while (*a != '\0' && *a == *b) a++, b++;
    if (*a == '\0' && *b == '\0') return true;
    if (changes == 0) return false;
    if (*a != '\0' && is_within(a + 1, b, changes - 1)) return true;
    if (*b != '\0' && is_within(a, b + 1, changes - 1)) return true;
    if (*a == '\0' || *b == '\0') return false;
    if (is_within(a + 1, b + 1, changes - 1)) return true;
    return a[0] == b[1] && a[1] == b[0] && is_within(a + 2, b + 2, changes - 1);
}

bool is_typo_of(const char *word, const char *meant) {
    return is_within(word, meant, strlen(meant) >= 5 ? 2 : 1);
}
