/* SPDX-License-Identifier: MIT
 * The layout of HdrHistogram: values below 256 units have a cell each, and every doubling from there on has 128 cells,
 * so that a cell is at most 1/128 of its values wide. */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

enum {
    UNIT_BITS = 7, /* of the lowest cells' width: 128 ns */
    HALF_BITS = 7, /* of the cells in one doubling */
    HALF = 1 << HALF_BITS,
    CELLS = 3666, /* up to that of GREATEST_NS */
    NUMBER_BITS = 64
};

#define GREATEST_NS UINT64_C(3600000000000)

static uint32_t cell_of(uint64_t value_ns) {
    uint64_t units = (value_ns < GREATEST_NS ? value_ns : GREATEST_NS) >> UNIT_BITS;
    unsigned doublings = 63 - HALF_BITS - (unsigned)__builtin_clzll(units | (2 * HALF - 1));
    return (uint32_t)(doublings << HALF_BITS) + (uint32_t)(units >> doublings);
}

static uint64_t greatest_of(uint32_t cell) {
    unsigned doublings = cell < 2 * HALF ? 0 : (cell >> HALF_BITS) - 1;
    uint64_t units = (uint64_t)(cell - (doublings << HALF_BITS) + 1) << doublings;
    uint64_t value_ns = (units << UNIT_BITS) - 1;
    return value_ns < GREATEST_NS ? value_ns : GREATEST_NS;
}

/* Whole doublings, so that it seldom grows. */
static int grow(struct skep_histogram *histogram, uint32_t cells) {
    if (cells <= histogram->cells) return SKEP_OK;
    uint32_t grown = (cells + HALF - 1) / HALF * HALF;
    uint64_t *counts = realloc(histogram->counts, grown * sizeof *counts);
    if (counts == NULL) return SKEP_ENOMEM;
    memset(counts + histogram->cells, 0, (grown - histogram->cells) * sizeof *counts);
    histogram->counts = counts;
    histogram->cells = grown;
    return SKEP_OK;
}

/* What does not fit into the total is dropped, so that it remains the sum of all. */
static void enter(struct skep_histogram *histogram, uint32_t cell, uint64_t count) {
    uint64_t room = UINT64_MAX - histogram->total;
    if (count > room) count = room;
    histogram->counts[cell] += count;
    histogram->total += count;
}

int skep__histogram_record(struct skep_histogram *histogram, uint64_t value_ns) {
    uint32_t cell = cell_of(value_ns);
    int status = grow(histogram, cell + 1);
    if (status == SKEP_OK) enter(histogram, cell, 1);
    return status;
}

int skep__histogram_add(struct skep_histogram *histogram, const struct skep_histogram *other) {
    uint32_t cells = other->cells;
    while (cells > 0 && other->counts[cells - 1] == 0) cells--; /* up to the last that is not empty */
    int status = grow(histogram, cells);
    if (status != SKEP_OK) return status;
    for (uint32_t i = 0; i < cells; i++) enter(histogram, i, other->counts[i]);
    return SKEP_OK;
}

void skep__histogram_subtract(struct skep_histogram *histogram, const struct skep_histogram *earlier) {
    uint32_t cells = earlier->cells < histogram->cells ? earlier->cells : histogram->cells;
    for (uint32_t i = 0; i < cells; i++) {
        uint64_t count = histogram->counts[i] < earlier->counts[i] ? histogram->counts[i] : earlier->counts[i];
        histogram->counts[i] -= count;
        histogram->total -= count;
    }
}

/* Which of the values, in order and from 1, the share ends with */
static uint64_t rank_of(const struct skep_histogram *histogram, double share) {
    if (!(share < 1)) return histogram->total;
    double exact = share * (double)histogram->total;
    uint64_t rank = exact > 0 ? (uint64_t)exact : 0;
    if ((double)rank < exact) rank++;
    return rank > 0 ? rank : 1;
}

uint64_t skep__histogram_quantile_ns(const struct skep_histogram *histogram, double share) {
    if (histogram->total == 0) return 0;
    uint64_t rank = rank_of(histogram, share);
    for (uint32_t i = 0; i < histogram->cells; i++) {
        if (histogram->counts[i] >= rank) return greatest_of(i);
        rank -= histogram->counts[i];
    }
    return GREATEST_NS;
}

/* Unsigned LEB128: seven bits a byte, the lowest first; the top bit says that more follow. */
static bool put_number(char **at, const char *end, uint64_t number) {
    for (; *at < end; number >>= 7) {
        *(*at)++ = (char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        if (number <= 0x7f) return true;
    }
    return false;
}

int skep__histogram_pack(const struct skep_histogram *histogram, char *to, size_t capacity_bytes, size_t *size_bytes) {
    char *at = to;
    uint32_t next = 0;
    for (uint32_t i = 0; i < histogram->cells; i++) {
        if (histogram->counts[i] == 0) continue;
        if (!put_number(&at, to + capacity_bytes, i - next)) return SKEP_ETOOBIG;
        if (!put_number(&at, to + capacity_bytes, histogram->counts[i])) return SKEP_ETOOBIG;
        next = i + 1;
    }
    *size_bytes = (size_t)(at - to);
    return SKEP_OK;
}

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t cell; /* the next pair's distance counts from here */
};

static bool take_number(struct cursor *c, uint64_t *number) {
    *number = 0;
    for (unsigned shift = 0; c->at < c->end && shift < NUMBER_BITS; shift += 7) {
        uint64_t bits = *c->at & 0x7f;
        if (bits << shift >> shift != bits) return false;
        *number |= bits << shift;
        if ((*c->at++ & 0x80) == 0) return true;
    }
    return false;
}

static bool take_pair(struct cursor *c, uint32_t *cell, uint64_t *count) {
    uint64_t distance;
    if (!take_number(c, &distance) || !take_number(c, count) || distance >= CELLS - c->cell) return false;
    *cell = (uint32_t)(c->cell + distance);
    c->cell = *cell + 1;
    return true;
}

/* Reads all before anything is changed. cells: what it takes to hold them. */
static bool check(struct cursor c, uint32_t *cells) {
    uint64_t total = 0, count;
    for (uint32_t cell; c.at < c.end; *cells = cell + 1) {
        if (!take_pair(&c, &cell, &count) || count > UINT64_MAX - total) return false;
        total += count;
    }
    return true;
}

int skep__histogram_unpack(struct skep_histogram *histogram, const void *packed, size_t size_bytes) {
    if (size_bytes == 0) return SKEP_OK;
    struct cursor c = {.at = packed, .end = (const uint8_t *)packed + size_bytes};
    uint32_t cells = 0, cell;
    if (!check(c, &cells)) return SKEP_EPROTO;
    int status = grow(histogram, cells);
    if (status != SKEP_OK) return status;
    for (uint64_t count; take_pair(&c, &cell, &count);) enter(histogram, cell, count);
    return SKEP_OK;
}

void skep__histogram_clear(struct skep_histogram *histogram) {
    if (histogram->total > 0) memset(histogram->counts, 0, histogram->cells * sizeof *histogram->counts);
    histogram->total = 0;
}

void skep__histogram_free(struct skep_histogram *histogram) {
    free(histogram->counts);
    *histogram = (struct skep_histogram){0};
}
