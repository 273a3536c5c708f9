/* SPDX-License-Identifier: MIT
 * From commands to frames: the command table says which fields there are, msgpack-c packs them. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum { FIRST_BYTES = 256 /* of a frame; or room behind a large field */ };

static int reserve(struct skep_frame *frame, size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2 - frame->size_bytes) return SKEP_ENOMEM; /* as the sum may not be a size */
    size_t wanted = frame->size_bytes + size_bytes;
    if (wanted <= frame->capacity_bytes) return SKEP_OK;
    size_t capacity = frame->capacity_bytes > 0 ? frame->capacity_bytes * 2 : FIRST_BYTES;
    if (capacity < wanted) capacity = wanted + FIRST_BYTES; /* a large field, and what follows it */
    char *data = realloc(frame->data, capacity);
    if (data == NULL) return SKEP_ENOMEM;
    frame->data = data;
    frame->capacity_bytes = capacity;
    return SKEP_OK;
}

int skep__frame_extend(struct skep_frame *frame, size_t size_bytes) {
    int status = reserve(frame, size_bytes);
    if (status == SKEP_OK) frame->size_bytes += size_bytes;
    return status;
}

int skep__frame_append(struct skep_frame *frame, const void *data, size_t size_bytes) {
    size_t before = frame->size_bytes;
    int status = skep__frame_extend(frame, size_bytes);
    if (status == SKEP_OK && size_bytes > 0) memcpy(frame->data + before, data, size_bytes); /* data may be NULL else */
    return status;
}

/* From the last to the first, so that each byte moves once. */
int skep__frame_settle(struct skep_frame *frame) {
    struct skep_loans *loans = frame->loans;
    size_t end = frame->size_bytes;
    if (loans == NULL) return SKEP_OK;
    int status = reserve(frame, loans->size_bytes);
    if (status != SKEP_OK) return status;
    size_t place = end + loans->size_bytes;
    for (unsigned i = loans->count; i > 0; i--) {
        const struct skep_loan *loan = &loans->loans[i - 1];
        place -= end - loan->at;
        memmove(frame->data + place, frame->data + loan->at, end - loan->at);
        place -= loan->size_bytes;
        memcpy(frame->data + place, loan->data, loan->size_bytes);
        end = loan->at;
    }
    frame->size_bytes += loans->size_bytes;
    frame->loans = NULL;
    return SKEP_OK;
}

void skep__frame_clear(struct skep_frame *frame) {
    frame->size_bytes = 0;
}

void skep__frame_free(struct skep_frame *frame) {
    free(frame->data);
    *frame = (struct skep_frame){0};
}

/* msgpack-c's write callback: a dozen calls a command, many of one byte; where encoding's time goes. */
static int write_packed(void *context, const char *data, size_t size_bytes) {
    struct skep_frame *frame = context;
    if (size_bytes > frame->capacity_bytes - frame->size_bytes && reserve(frame, size_bytes) != SKEP_OK) return -1;
    char *to = frame->data + frame->size_bytes;
    frame->size_bytes += size_bytes;
    if (size_bytes == 1) *to = *data;
    else if (size_bytes > 0) memcpy(to, data, size_bytes);
    return 0;
}

/* What a frame may borrow is noted. */
static int write_body(struct skep_frame *frame, const void *data, size_t size_bytes) {
    struct skep_loans *loans = frame->loans;
    bool is_lent = loans != NULL && size_bytes >= SKEP_LEAST_LOAN && loans->count < SKEP_MAX_LOANS;
    if (!is_lent) return write_packed(frame, data, size_bytes);
    loans->loans[loans->count++] = (struct skep_loan){data, size_bytes, frame->size_bytes};
    loans->size_bytes += size_bytes;
    return 0;
}

static int pack_bin(msgpack_packer *packer, const struct skep_bytes *bytes) {
    if (msgpack_pack_bin(packer, bytes->size_bytes) != 0) return -1;
    return write_body(packer->data, bytes->data, bytes->size_bytes);
}

int skep__list_add(struct skep_frame *items, const void *data, size_t size_bytes) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, items, write_packed);
    size_t before = items->size_bytes;
    if (msgpack_pack_bin_with_body(&packer, data, size_bytes) == 0) return SKEP_OK;
    items->size_bytes = before;
    return SKEP_ENOMEM;
}

struct skep_list skep__list_of(const struct skep_frame *items, uint32_t count) {
    return (struct skep_list){.count = count, .packed = items->data, .packed_bytes = items->size_bytes};
}

/* Packed items are not checked again: their sizes were checked when they were added. */
static bool list_within_limit(const struct skep_field *field, const struct skep_list *list) {
    if (list->count > SKEP_MAX_LIST) return false;
    for (uint32_t i = 0; i < list->count && list->packed == NULL; i++)
        if (skep__list_at(list, i).size_bytes > field->limit) return false;
    return true;
}

static bool within_limit(const struct skep_field *field, const void *place) {
    if (field->type == SKEP_TYPE_UINT) return *(const uint64_t *)place <= field->limit;
    if (field->type == SKEP_TYPE_LIST) return list_within_limit(field, place);
    return field->type == SKEP_TYPE_BOOL || ((const struct skep_bytes *)place)->size_bytes <= field->limit;
}

static int pack_list(msgpack_packer *packer, const struct skep_list *list) {
    int error = msgpack_pack_array(packer, list->count);
    if (list->packed != NULL) return error != 0 ? error : write_body(packer->data, list->packed, list->packed_bytes);
    for (uint32_t i = 0; i < list->count && error == 0; i++) {
        struct skep_bytes item = skep__list_at(list, i);
        error = pack_bin(packer, &item);
    }
    return error;
}

static int pack_value(msgpack_packer *packer, const struct skep_field *field, const void *place) {
    const struct skep_bytes *bytes = place;
    switch ((enum skep_field_type)field->type) {
    case SKEP_TYPE_UINT: return msgpack_pack_uint64(packer, *(const uint64_t *)place);
    case SKEP_TYPE_BOOL: return *(const bool *)place ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    case SKEP_TYPE_STR: return msgpack_pack_str_with_body(packer, bytes->data, bytes->size_bytes);
    case SKEP_TYPE_BIN: return pack_bin(packer, bytes);
    case SKEP_TYPE_LIST: return pack_list(packer, place);
    }
    return -1;
}

static int pack_fields(msgpack_packer *packer, const struct skep_spec *spec, uint32_t has, const char *base) {
    for (unsigned i = 0; spec->fields[i].name != NULL; i++) {
        const struct skep_field *field = &spec->fields[i];
        if (!field->needed && !(has >> i & 1)) continue;
        if (!within_limit(field, base + field->offset)) return SKEP_ETOOBIG;
        if (msgpack_pack_str_with_body(packer, field->name, field->name_size_bytes) != 0) return SKEP_ENOMEM;
        if (pack_value(packer, field, base + field->offset) != 0) return SKEP_ENOMEM;
    }
    return SKEP_OK;
}

static uint32_t count_fields(const struct skep_spec *spec, uint32_t has) {
    uint32_t count = 1; /* cmd */
    for (unsigned i = 0; spec->fields[i].name != NULL; i++) count += spec->fields[i].needed || (has >> i & 1);
    return count;
}

int skep__frame_add(struct skep_frame *frame, const struct skep_command *command) {
    const struct skep_spec *spec = skep__spec(command->id);
    const uint32_t *has = &command->hello.has; /* first member of each command's struct */
    size_t before = frame->size_bytes;
    struct skep_loans *loans = frame->loans;
    unsigned lent = loans != NULL ? loans->count : 0;
    msgpack_packer packer;
    msgpack_packer_init(&packer, frame, write_packed);
    int status = SKEP_ENOMEM;
    if (msgpack_pack_map(&packer, count_fields(spec, *has)) == 0 &&
        msgpack_pack_str_with_body(&packer, "cmd", 3) == 0 &&
        msgpack_pack_str_with_body(&packer, spec->name, spec->name_size_bytes) == 0)
        status = pack_fields(&packer, spec, *has, (const char *)has);
    if (status != SKEP_OK) frame->size_bytes = before;
    while (status != SKEP_OK && loans != NULL && loans->count > lent)
        loans->size_bytes -= loans->loans[--loans->count].size_bytes;
    return status;
}
