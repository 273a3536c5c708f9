/* SPDX-License-Identifier: MIT
 * Samples of every command, made and compared by way of the command table: a new row is tested without a new test. */
#ifndef SKEP_TESTS_SAMPLE_H
#define SKEP_TESTS_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum sample_size { SAMPLE_SMALLEST, SAMPLE_USUAL, SAMPLE_LARGEST, SAMPLE_SIZES };

/* What every bytes field of a sample points into: as many as the largest limit. No zeroes: text has none. */
static inline const char *sample_text(void) {
    static char text[SKEP_MAX_PAYLOAD + 1];
    if (text[0] == 0)
        for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 26);
    return text;
}

/* The has of a command, which is the first member of whichever struct is in use. */
static inline uint32_t *sample_has(struct skep_command *command) {
    return &command->hello.has;
}

static inline void *sample_place(struct skep_command *command, const struct skep_field *field) {
    return (char *)sample_has(command) + field->offset;
}

static inline uint64_t sample_number(const struct skep_field *field, enum sample_size size) {
    if (size == SAMPLE_SMALLEST) return 0;
    if (size == SAMPLE_LARGEST) return field->limit;
    return (uint64_t)field->name[0] % (field->limit + 1 == 0 ? UINT64_MAX : field->limit + 1);
}

/* A place of its own for lists of each limit. */
static inline size_t sample_limit(uint64_t limit) {
    static const uint64_t limits[] = {SKEP_MAX_NAME, SKEP_MAX_PATH, SKEP_MAX_LINE, SKEP_MAX_PAYLOAD};
    size_t i = 0;
    while (limits[i] != limit) assert_true(++i < sizeof limits / sizeof *limits);
    return i;
}

/* A list that was packed once and stays: empty, a few items, or as many as there may be, one of the greatest size. */
static inline struct skep_list sample_list(const struct skep_field *field, enum sample_size size) {
    static struct skep_frame kept[4][SAMPLE_SIZES];
    static const uint32_t counts[SAMPLE_SIZES] = {0, 3, SKEP_MAX_LIST};
    struct skep_frame *items = &kept[sample_limit(field->limit)][size];
    bool packed = items->size_bytes > 0;
    for (uint32_t i = 0; i < counts[size] && !packed; i++) {
        size_t size_bytes = i == 1 && size == SAMPLE_LARGEST ? (size_t)field->limit : i % 3;
        assert_int_equal(skep__list_add(items, sample_text() + i % 26, size_bytes), SKEP_OK);
    }
    return skep__list_of(items, counts[size]);
}

static inline void sample_fill_field(struct skep_command *command, const struct skep_field *field,
                                     enum sample_size size) {
    void *place = sample_place(command, field);
    uint64_t number = sample_number(field, size);
    if (field->type == SKEP_TYPE_LIST) *(struct skep_list *)place = sample_list(field, size);
    else if (field->type == SKEP_TYPE_UINT) *(uint64_t *)place = number;
    else if (field->type == SKEP_TYPE_BOOL) *(bool *)place = number != 0;
    else *(struct skep_bytes *)place = (struct skep_bytes){sample_text(), (size_t)number};
}

/* A command with its needed fields, and with the optional ones whose bits are set. */
static inline struct skep_command sample(enum skep_command_id id, uint32_t optional, enum sample_size size) {
    struct skep_command command;
    memset(&command, 0, sizeof command);
    command.id = id;
    const struct skep_field *fields = skep__spec(id)->fields;
    for (unsigned i = 0; fields[i].name != NULL; i++) {
        if (!fields[i].needed && !(optional >> i & 1)) continue;
        sample_fill_field(&command, &fields[i], size);
        *sample_has(&command) |= 1u << i;
    }
    return command;
}

/* The bits of all optional fields. */
static inline uint32_t sample_optional(enum skep_command_id id) {
    const struct skep_field *fields = skep__spec(id)->fields;
    uint32_t bits = 0;
    for (unsigned i = 0; fields[i].name != NULL; i++) bits |= (uint32_t)!fields[i].needed << i;
    return bits;
}

/* One channel that the command may travel on. */
static inline enum skep_channel sample_channel(enum skep_command_id id) {
    unsigned channels = skep__spec(id)->channels;
    return (enum skep_channel)(channels & -channels);
}

/* A list's items as they are packed, whether it was decoded or not. The caller frees. */
static inline struct skep_frame sample_packed(const struct skep_list *list) {
    struct skep_frame packed = {0};
    if (list->items == NULL) assert_int_equal(skep__frame_append(&packed, list->packed, list->packed_bytes), SKEP_OK);
    for (uint32_t i = 0; i < list->count && list->items != NULL; i++) {
        struct skep_bytes item = skep__list_at(list, i);
        assert_int_equal(skep__list_add(&packed, item.data, item.size_bytes), SKEP_OK);
    }
    return packed;
}

static inline bool sample_same_list(const struct skep_list *a, const struct skep_list *b) {
    struct skep_frame left = sample_packed(a), right = sample_packed(b);
    bool same = a->count == b->count && left.size_bytes == right.size_bytes &&
                (left.size_bytes == 0 || memcmp(left.data, right.data, left.size_bytes) == 0);
    skep__frame_free(&left);
    skep__frame_free(&right);
    return same;
}

static inline bool sample_same_field(const struct skep_field *field, const void *a, const void *b) {
    const struct skep_bytes *left = a, *right = b;
    if (field->type == SKEP_TYPE_LIST) return sample_same_list(a, b);
    if (field->type == SKEP_TYPE_UINT) return *(const uint64_t *)a == *(const uint64_t *)b;
    if (field->type == SKEP_TYPE_BOOL) return *(const bool *)a == *(const bool *)b;
    if (left->size_bytes != right->size_bytes) return false;
    return left->size_bytes == 0 || memcmp(left->data, right->data, left->size_bytes) == 0;
}

/* Whether two commands say the same. */
static inline bool sample_same(struct skep_command *a, struct skep_command *b) {
    if (a->id != b->id || *sample_has(a) != *sample_has(b)) return false;
    const struct skep_field *fields = skep__spec(a->id)->fields;
    for (unsigned i = 0; fields[i].name != NULL; i++)
        if ((*sample_has(a) >> i & 1) &&
            !sample_same_field(&fields[i], sample_place(a, &fields[i]), sample_place(b, &fields[i])))
            return false;
    return true;
}

/* Bytes in memory of exactly their size, so that a sanitizer sees each read beyond them. The caller frees. */
static inline uint8_t *sample_copy(const void *data, size_t size_bytes) {
    uint8_t *copy = malloc(size_bytes > 0 ? size_bytes : 1);
    assert_non_null(copy);
    if (size_bytes > 0) memcpy(copy, data, size_bytes);
    return copy;
}

#endif
