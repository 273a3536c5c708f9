/* SPDX-License-Identifier: MIT
 * From frames to commands: msgpack-c parses, the command table checks. */
#include <string.h>

#include "command.h"

int skep__reader_init(struct skep_reader *reader, enum skep_channel channel) {
    *reader = (struct skep_reader){.channel = channel};
    return msgpack_zone_init(&reader->zone, SKEP_MAX_VALUES * sizeof(msgpack_object)) ? SKEP_OK : SKEP_ENOMEM;
}

void skep__reader_free(struct skep_reader *reader) {
    if (reader->zone.chunk_list.head != NULL) msgpack_zone_destroy(&reader->zone);
}

static int fail(struct skep_reader *reader, const char *why) {
    reader->why = why;
    return SKEP_EPROTO;
}

int skep__reader_begin(struct skep_reader *reader, const void *data, size_t size_bytes) {
    if (!skep__scan(data, size_bytes)) return fail(reader, "not complete MessagePack maps");
    reader->data = data;
    reader->size_bytes = size_bytes;
    reader->offset_bytes = 0;
    return SKEP_OK;
}

static bool text_is(const msgpack_object *o, const char *text, size_t size_bytes) {
    return o->type == MSGPACK_OBJECT_STR && o->via.str.size == size_bytes &&
           memcmp(o->via.str.ptr, text, size_bytes) == 0;
}

static const msgpack_object *command_name(const msgpack_object_map *map) {
    for (uint32_t i = 0; i < map->size; i++)
        if (text_is(&map->ptr[i].key, "cmd", 3)) return &map->ptr[i].val;
    return NULL;
}

static bool find_command(struct skep_reader *reader, const msgpack_object *name, enum skep_command_id *id) {
    const struct skep_spec *guess = skep__spec(reader->guess);
    if (text_is(name, guess->name, guess->name_size_bytes)) {
        *id = reader->guess;
        return true;
    }
    for (unsigned i = 0; i < SKEP_COMMAND_COUNT; i++) {
        const struct skep_spec *spec = skep__spec((enum skep_command_id)i);
        if (!text_is(name, spec->name, spec->name_size_bytes)) continue;
        *id = reader->guess = (enum skep_command_id)i;
        return true;
    }
    return false;
}

/* str and bin both serve for either: older encoders have one type only. */
static int store_bytes(const msgpack_object *value, const struct skep_field *field, void *place) {
    if (value->type != MSGPACK_OBJECT_STR && value->type != MSGPACK_OBJECT_BIN) return SKEP_EPROTO;
    if (value->via.bin.size > field->limit) return SKEP_EPROTO;
    if (field->type == SKEP_TYPE_STR && memchr(value->via.bin.ptr, 0, value->via.bin.size) != NULL) return SKEP_EPROTO;
    *(struct skep_bytes *)place = (struct skep_bytes){value->via.bin.ptr, value->via.bin.size};
    return SKEP_OK;
}

/* Items stay where msgpack-c has put them. */
static int store_list(const msgpack_object *value, const struct skep_field *field, void *place) {
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > SKEP_MAX_LIST) return SKEP_EPROTO;
    const msgpack_object *items = value->via.array.ptr;
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        if (items[i].type != MSGPACK_OBJECT_BIN && items[i].type != MSGPACK_OBJECT_STR) return SKEP_EPROTO;
        if (items[i].via.bin.size > field->limit) return SKEP_EPROTO;
    }
    *(struct skep_list *)place = (struct skep_list){.count = value->via.array.size, .items = items};
    return SKEP_OK;
}

static int store(const msgpack_object *value, const struct skep_field *field, void *place) {
    switch ((enum skep_field_type)field->type) {
    case SKEP_TYPE_UINT:
        if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > field->limit) return SKEP_EPROTO;
        *(uint64_t *)place = value->via.u64;
        return SKEP_OK;
    case SKEP_TYPE_BOOL:
        if (value->type != MSGPACK_OBJECT_BOOLEAN) return SKEP_EPROTO;
        *(bool *)place = value->via.boolean;
        return SKEP_OK;
    case SKEP_TYPE_STR:
    case SKEP_TYPE_BIN: return store_bytes(value, field, place);
    case SKEP_TYPE_LIST: return store_list(value, field, place);
    }
    return SKEP_EPROTO;
}

/* Finds a field by key; looks first at the one after the field found before. */
static const struct skep_field *find_field(const struct skep_spec *spec, const struct skep_field *next,
                                           const msgpack_object *key) {
    if (next->name != NULL && text_is(key, next->name, next->name_size_bytes)) return next;
    for (const struct skep_field *f = spec->fields; f->name != NULL; f++)
        if (text_is(key, f->name, f->name_size_bytes)) return f;
    return NULL;
}

static int store_fields(struct skep_reader *reader, const msgpack_object_map *map, const struct skep_spec *spec,
                        struct skep_command *command) {
    char *base = (char *)command + offsetof(struct skep_command, hello);
    uint32_t *has = (uint32_t *)base; /* first member of each command's struct */
    const struct skep_field *next = spec->fields;
    *has = 0;
    for (uint32_t i = 0; i < map->size; i++) {
        const struct skep_field *field = find_field(spec, next, &map->ptr[i].key);
        if (field == NULL) {
            if (!text_is(&map->ptr[i].key, "cmd", 3)) reader->unknown++;
            continue;
        }
        if (store(&map->ptr[i].val, field, base + field->offset) != SKEP_OK) return fail(reader, field->name);
        *has |= 1u << (field - spec->fields);
        next = field + 1;
    }
    return (spec->needed & ~*has) == 0 ? SKEP_OK : fail(reader, "a required field is missing");
}

/* Only the struct of this command is cleared and copied: the largest is ten times as large as the usual ones. */
static int store_command(struct skep_reader *reader, const msgpack_object_map *map, enum skep_command_id id,
                         struct skep_command *command) {
    const struct skep_spec *spec = skep__spec(id);
    const size_t at = offsetof(struct skep_command, hello);
    struct skep_command decoded;
    decoded.id = id;
    memset((char *)&decoded + at, 0, spec->size_bytes); /* what is absent reads as 0, false or empty */
    int status = store_fields(reader, map, spec, &decoded);
    if (status == SKEP_OK) memcpy(command, &decoded, at + spec->size_bytes);
    return status;
}

int skep__reader_next(struct skep_reader *reader, struct skep_command *command, bool *more) {
    while (reader->offset_bytes < reader->size_bytes) {
        msgpack_object object;
        msgpack_zone_clear(&reader->zone);
        reader->command_bytes = reader->offset_bytes;
        msgpack_unpack_return r =
            msgpack_unpack(reader->data, reader->size_bytes, &reader->offset_bytes, &reader->zone, &object);
        if (r != MSGPACK_UNPACK_SUCCESS && r != MSGPACK_UNPACK_EXTRA_BYTES) return fail(reader, "not MessagePack");
        const msgpack_object *name = command_name(&object.via.map);
        if (name == NULL) return fail(reader, "a map without cmd");
        if (name->type != MSGPACK_OBJECT_STR) return fail(reader, "cmd is not a string");
        enum skep_command_id id;
        if (!find_command(reader, name, &id)) {
            reader->unknown++;
            continue;
        }
        const struct skep_spec *spec = skep__spec(id);
        if (!(spec->channels & reader->channel)) return fail(reader, "a command of another channel");
        int status = store_command(reader, &object.via.map, id, command);
        if (status == SKEP_OK) *more = true;
        return status;
    }
    *more = false;
    return SKEP_OK;
}

int skep__reader_read(struct skep_reader *reader, const void *data, size_t size_bytes, skep__take_cb *take,
                      void *context) {
    struct skep_command command;
    bool more = true;
    int status = skep__reader_begin(reader, data, size_bytes);
    while (status == SKEP_OK && more) {
        status = skep__reader_next(reader, &command, &more);
        if (status == SKEP_OK && more) status = take(context, &command);
    }
    return status;
}
