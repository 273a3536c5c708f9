/* SPDX-License-Identifier: MIT
 * What of some bytes can be shown to a person. */
#ifndef SKEP_COMMAND_COMMON_UTF8_H
#define SKEP_COMMAND_COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Size of the character at the beginning of the bytes; 0 if it is none that may be printed: a control character, of
 * eight bits too, one that turns the direction of text, or no UTF-8. */
size_t utf8_printable(const char *text, size_t size_bytes);

/* What is shown of the character at the beginning of the bytes, and its size, which is that of the character: this, or
 * a question mark if it may not be printed and is none of those that are kept. Borrowed. */
const char *utf8_shown(const char *text, size_t size_bytes, const char *kept, size_t *shown_bytes);

/* Whether all of it is UTF-8; control characters are allowed. */
bool utf8_is_text(const char *text, size_t size_bytes);

/* Size without a character at the end that is cut off. */
size_t utf8_whole(const char *text, size_t size_bytes);

#endif
