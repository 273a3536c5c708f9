/* SPDX-License-Identifier: MIT
 * Fuzzes what reads frames: scan, decode on every channel, print. What was decoded and is encoded again decodes to the
 * same. Dictionary fuzz_frame.dict, seeds corpus/frame. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

static bool same_bytes(const struct skep_bytes *a, const struct skep_bytes *b) {
    return a->size_bytes == b->size_bytes && (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static bool same_list(const struct skep_list *a, const struct skep_list *b) {
    for (uint32_t i = 0; i < a->count && a->count == b->count; i++) {
        struct skep_bytes left = skep__list_at(a, i), right = skep__list_at(b, i);
        if (!same_bytes(&left, &right)) return false;
    }
    return a->count == b->count;
}

static bool same_field(const struct skep_field *field, const void *a, const void *b) {
    switch ((enum skep_field_type)field->type) {
    case SKEP_TYPE_UINT: return *(const uint64_t *)a == *(const uint64_t *)b;
    case SKEP_TYPE_BOOL: return *(const bool *)a == *(const bool *)b;
    case SKEP_TYPE_STR:
    case SKEP_TYPE_BIN: return same_bytes(a, b);
    case SKEP_TYPE_LIST: return same_list(a, b);
    }
    return false;
}

static bool same(const struct skep_command *a, const struct skep_command *b) {
    const char *left = (const char *)&a->hello.has, *right = (const char *)&b->hello.has;
    if (a->id != b->id || a->hello.has != b->hello.has) return false;
    const struct skep_field *fields = skep__spec(a->id)->fields;
    for (unsigned i = 0; fields[i].name != NULL; i++) {
        if (!(a->hello.has >> i & 1)) continue;
        if (!same_field(&fields[i], left + fields[i].offset, right + fields[i].offset)) return false;
    }
    return true;
}

static void check_print(const struct skep_command *command) {
    char text[100];
    size_t length = skep__command_print(command, text, sizeof text);
    must(length < sizeof text && text[length] == '\0');
    for (size_t i = 0; i < length; i++) must(text[i] >= 0x20 && text[i] < 0x7f);
}

/* Bytes are within the frame, limits are kept, and the way out and in again changes nothing. */
static void check_command(const struct skep_command *command, enum skep_channel channel) {
    struct skep_frame frame = {0};
    struct skep_reader reader;
    struct skep_command again;
    bool more = false;
    must(skep__spec(command->id)->channels & channel);
    must(skep__frame_add(&frame, command) == SKEP_OK);
    must(skep__reader_init(&reader, channel) == SKEP_OK);
    must(skep__reader_begin(&reader, frame.data, frame.size_bytes) == SKEP_OK);
    must(skep__reader_next(&reader, &again, &more) == SKEP_OK && more);
    must(same(command, &again));
    must(skep__reader_next(&reader, &again, &more) == SKEP_OK && !more);
    must(reader.unknown == 0);
    skep__reader_free(&reader);
    skep__frame_free(&frame);
}

static void read_frame(const uint8_t *data, size_t size_bytes, enum skep_channel channel) {
    struct skep_reader reader;
    struct skep_command command;
    bool more = true;
    must(skep__reader_init(&reader, channel) == SKEP_OK);
    int status = skep__reader_begin(&reader, data, size_bytes);
    must((status == SKEP_OK) == skep__scan(data, size_bytes));
    while (status == SKEP_OK && more) {
        status = skep__reader_next(&reader, &command, &more);
        if (status != SKEP_OK || !more) break;
        check_print(&command);
        check_command(&command, channel);
    }
    must(status == SKEP_OK || (status == SKEP_EPROTO && reader.why != NULL));
    skep__reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    for (unsigned channel = 1; channel < SKEP_CHANNELS_END; channel <<= 1)
        read_frame(data, size_bytes, (enum skep_channel)channel);
    return 0;
}
