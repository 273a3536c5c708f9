/* SPDX-License-Identifier: MIT
 * What of some bytes can be shown to a person. */
#include "command/common/utf8.h"

#include <string.h>

/* Size that the first byte of a character promises; 0 for a byte that begins none. */
static size_t promised(unsigned char first) {
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return 2;
    if (first >= 0xe0 && first <= 0xef) return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* The second byte tells what is too long, a surrogate, or beyond Unicode. */
static bool is_second(unsigned char first, unsigned char second) {
    unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char greatest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= greatest;
}

/* 0 if it is no UTF-8 or is cut off. */
static size_t character(const char *text, size_t size_bytes) {
    const unsigned char *c = (const unsigned char *)text;
    size_t size = size_bytes > 0 ? promised(c[0]) : 0;
    if (size == 0 || size > size_bytes || (size > 1 && !is_second(c[0], c[1]))) return 0;
    for (size_t i = 2; i < size; i++)
        if ((c[i] & 0xc0) != 0x80) return 0;
    return size;
}

static bool is_control(const unsigned char *c, size_t size) {
    return (size == 1 && (c[0] < 0x20 || c[0] == 0x7f)) || (size == 2 && c[0] == 0xc2 && c[1] < 0xa0);
}

/* What changes the order in which a terminal shows a line: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069;
 * and U+2028 and U+2029, which end a line. */
static bool turns_text(const unsigned char *c, size_t size) {
    if (size == 2) return c[0] == 0xd8 && c[1] == 0x9c;
    if (size != 3 || c[0] != 0xe2) return false;
    if (c[1] == 0x81) return c[2] >= 0xa6 && c[2] <= 0xa9;
    return c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae));
}

size_t utf8_printable(const char *text, size_t size_bytes) {
    const unsigned char *c = (const unsigned char *)text;
    size_t size = character(text, size_bytes);
    return is_control(c, size) || turns_text(c, size) ? 0 : size;
}

const char *utf8_shown(const char *text, size_t size_bytes, const char *kept, size_t *shown_bytes) {
    size_t size = utf8_printable(text, size_bytes);
    *shown_bytes = size > 0 ? size : 1;
    return size > 0 || (*text != '\0' && strchr(kept, *text) != NULL) ? text : "?";
}

bool utf8_is_text(const char *text, size_t size_bytes) {
    for (size_t at = 0, size; at < size_bytes; at += size)
        if ((size = character(text + at, size_bytes - at)) == 0) return false;
    return true;
}

size_t utf8_whole(const char *text, size_t size_bytes) {
    for (size_t back = 1; back <= 3 && back <= size_bytes; back++) {
        unsigned char c = (unsigned char)text[size_bytes - back];
        if ((c & 0xc0) == 0x80) continue;
        return promised(c) > back ? size_bytes - back : size_bytes;
    }
    return size_bytes;
}
