/* SPDX-License-Identifier: MIT
 * Walks MessagePack without allocating. msgpack-c limits no count: five bytes could make it reserve gigabytes. */
#include "command.h"

#include <limits.h>

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    unsigned values_left; /* in the command that is being walked */
};

static size_t left(const struct cursor *c) {
    return (size_t)(c->end - c->at);
}

static bool skip(struct cursor *c, uint64_t size_bytes) {
    if (size_bytes > left(c)) return false;
    c->at += size_bytes;
    return true;
}

/* Reads a big-endian length of the given width. */
static bool take_length(struct cursor *c, unsigned width_bytes, uint64_t *length) {
    if (width_bytes > left(c)) return false;
    *length = 0;
    for (unsigned i = 0; i < width_bytes; i++) *length = *length << 8 | *c->at++;
    return true;
}

static bool skip_sized(struct cursor *c, unsigned width_bytes, unsigned extra_bytes) {
    uint64_t length;
    return take_length(c, width_bytes, &length) && skip(c, length + extra_bytes);
}

/* depth is how many containers may still be entered. */
static bool skip_value(struct cursor *c, unsigned depth);

/* Each of the values takes a byte at least, so a count larger than what is left is a lie. */
static bool skip_values(struct cursor *c, uint64_t count, unsigned depth) {
    if (depth == 0 || count > left(c) || count > c->values_left) return false;
    c->values_left -= (unsigned)count;
    while (count-- > 0)
        if (!skip_value(c, depth - 1)) return false;
    return true;
}

static bool skip_counted(struct cursor *c, unsigned width_bytes, unsigned per_item, unsigned depth) {
    uint64_t count;
    return take_length(c, width_bytes, &count) && skip_values(c, count * per_item, depth);
}

/* By the first byte, in MessagePack's order. Widths double from one tag of a kind to the next. */
static bool skip_value(struct cursor *c, unsigned depth) {
    if (left(c) == 0) return false;
    uint8_t tag = *c->at++;
    if (tag <= 0x7f || tag >= 0xe0) return true; /* small numbers */
    if (tag <= 0x8f) return skip_values(c, 2 * (uint64_t)(tag & 0x0f), depth);
    if (tag <= 0x9f) return skip_values(c, tag & 0x0f, depth);
    if (tag <= 0xbf) return skip(c, tag & 0x1f);
    if (tag <= 0xc3) return tag != 0xc1;                                   /* nil, booleans; 0xc1 is never used */
    if (tag <= 0xc6) return skip_sized(c, 1u << (tag - 0xc4), 0);          /* bin */
    if (tag <= 0xc9) return skip_sized(c, 1u << (tag - 0xc7), 1);          /* ext */
    if (tag <= 0xcb) return skip(c, 4u << (tag - 0xca));                   /* float */
    if (tag <= 0xcf) return skip(c, 1u << (tag - 0xcc));                   /* uint */
    if (tag <= 0xd3) return skip(c, 1u << (tag - 0xd0));                   /* int */
    if (tag <= 0xd8) return skip(c, 1 + (1u << (tag - 0xd4)));             /* fixext */
    if (tag <= 0xdb) return skip_sized(c, 1u << (tag - 0xd9), 0);          /* str */
    if (tag <= 0xdd) return skip_counted(c, 2u << (tag - 0xdc), 1, depth); /* array */
    return skip_counted(c, 2u << (tag - 0xde), 2, depth);                  /* map */
}

bool skep__scan_value(const void *data, size_t size_bytes, unsigned depth) {
    struct cursor c = {.at = data, .end = (const uint8_t *)data + size_bytes, .values_left = UINT_MAX};
    return skip_value(&c, depth) && left(&c) == 0;
}

bool skep__scan(const void *data, size_t size_bytes) {
    if (size_bytes == 0) return false;
    struct cursor c = {.at = data, .end = (const uint8_t *)data + size_bytes};
    while (left(&c) > 0) {
        bool is_map = (*c.at & 0xf0) == 0x80 || *c.at == 0xde || *c.at == 0xdf;
        c.values_left = SKEP_MAX_VALUES;
        if (!is_map || !skip_value(&c, SKEP_MAX_DEPTH)) return false;
    }
    return true;
}
