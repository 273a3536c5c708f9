/* SPDX-License-Identifier: MIT
 * Commands as text for people: what a trace shows. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "command.h"

struct text {
    char *data;
    size_t capacity_bytes;
    size_t size_bytes; /* without the terminator, always < capacity_bytes */
};

SKEP_PRINTF(2, 3) static void put(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->data + text->size_bytes, text->capacity_bytes - text->size_bytes, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    size_t room = text->capacity_bytes - text->size_bytes - 1;
    text->size_bytes += (size_t)n < room ? (size_t)n : room;
}

/* Nothing that could drive a terminal gets through. */
static void put_escaped(struct text *text, const struct skep_bytes *bytes) {
    put(text, "\"");
    for (size_t i = 0; i < bytes->size_bytes; i++) {
        unsigned char c = (unsigned char)bytes->data[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        put(text, plain ? "%c" : "\\x%02x", c);
    }
    put(text, "\"");
}

static void put_value(struct text *text, const struct skep_field *field, const void *place) {
    switch ((enum skep_field_type)field->type) {
    case SKEP_TYPE_UINT: put(text, "%" PRIu64, *(const uint64_t *)place); break;
    case SKEP_TYPE_BOOL: put(text, "%s", *(const bool *)place ? "true" : "false"); break;
    case SKEP_TYPE_STR: put_escaped(text, place); break;
    case SKEP_TYPE_BIN: put(text, "%zu bytes", ((const struct skep_bytes *)place)->size_bytes); break;
    case SKEP_TYPE_LIST: put(text, "%" PRIu32 " items", ((const struct skep_list *)place)->count); break;
    }
}

size_t skep__command_print(const struct skep_command *command, char *data, size_t capacity_bytes) {
    if (capacity_bytes == 0) return 0;
    const struct skep_spec *spec = skep__spec(command->id);
    const uint32_t *has = &command->hello.has; /* first member of each command's struct */
    struct text text = {.data = data, .capacity_bytes = capacity_bytes};
    put(&text, "%s {", spec->name);
    const char *separator = "";
    for (unsigned i = 0; spec->fields[i].name != NULL; i++) {
        const struct skep_field *field = &spec->fields[i];
        if (!field->needed && !(*has >> i & 1)) continue;
        put(&text, "%s%s: ", separator, field->name);
        put_value(&text, field, (const char *)has + field->offset);
        separator = ", ";
    }
    put(&text, "}");
    return text.size_bytes;
}
