/* SPDX-License-Identifier: MIT
 * How far a word is from the one that was meant. */
#ifndef SKEP_COMMAND_COMMON_TYPO_H
#define SKEP_COMMAND_COMMON_TYPO_H

#include <stdbool.h>

/* Whether one letter that is wrong, missing, too many or, with its neighbour, in the wrong place makes the difference;
 * in words of five letters and more two of them may. */
bool is_typo_of(const char *word, const char *meant);

#endif
