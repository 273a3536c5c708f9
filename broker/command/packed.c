/* SPDX-License-Identifier: MIT
 * JSON to and from MessagePack. Reading builds the value as the bytes come, and so reserves nothing for what a count
 * promises and never brings. */
#include "packed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "utf8.h"

enum { MAX_DEPTH = 100 };

/* --- writing --- */

static int pack_text(msgpack_packer *packer, const char *text, size_t size_bytes) {
    int failed = msgpack_pack_str(packer, size_bytes);
    return failed != 0 ? failed : msgpack_pack_str_body(packer, text, size_bytes);
}

static int pack_array(msgpack_packer *packer, const json_t *array) {
    int failed = msgpack_pack_array(packer, json_array_size(array));
    for (size_t i = 0; failed == 0 && i < json_array_size(array); i++)
        failed = pack_json(packer, json_array_get(array, i)) != SKEP_OK;
    return failed;
}

static int pack_object(msgpack_packer *packer, const json_t *object) {
    int failed = msgpack_pack_map(packer, json_object_size(object));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        if (failed == 0) failed = pack_text(packer, key, strlen(key));
        if (failed == 0) failed = pack_json(packer, value) != SKEP_OK;
    }
    return failed;
}

static int pack_value(msgpack_packer *packer, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: return pack_object(packer, value);
    case JSON_ARRAY: return pack_array(packer, value);
    case JSON_STRING: return pack_text(packer, json_string_value(value), json_string_length(value));
    case JSON_INTEGER: return msgpack_pack_int64(packer, json_integer_value(value));
    case JSON_REAL: return msgpack_pack_double(packer, json_real_value(value));
    case JSON_TRUE: return msgpack_pack_true(packer);
    case JSON_FALSE: return msgpack_pack_false(packer);
    default: return msgpack_pack_nil(packer);
    }
}

int pack_json(msgpack_packer *packer, const json_t *value) {
    return pack_value(packer, value) == 0 ? SKEP_OK : SKEP_ENOMEM;
}

/* --- reading --- */

struct cursor {
    const uint8_t *at;
    size_t left;
    unsigned depth;
};

static json_t *read_value(struct cursor *c);

static bool take(struct cursor *c, uint64_t size_bytes, const uint8_t **taken) {
    if (size_bytes > c->left) return false;
    *taken = c->at;
    c->at += size_bytes;
    c->left -= size_bytes;
    return true;
}

static bool take_number(struct cursor *c, unsigned width_bytes, uint64_t *number) {
    const uint8_t *bytes;
    if (!take(c, width_bytes, &bytes)) return false;
    *number = 0;
    for (unsigned i = 0; i < width_bytes; i++) *number = *number << 8 | bytes[i];
    return true;
}

static json_t *read_text(struct cursor *c, uint64_t size_bytes) {
    const uint8_t *text;
    if (!take(c, size_bytes, &text)) return NULL;
    struct skep_bytes bytes = {(const char *)text, size_bytes};
    if (!utf8_is_text(bytes.data, bytes.size_bytes)) return json_of_hex(bytes);
    return size_bytes > 0 ? json_stringn(bytes.data, bytes.size_bytes) : json_string("");
}

static json_t *read_bin(struct cursor *c, uint64_t size_bytes) {
    const uint8_t *bytes;
    return take(c, size_bytes, &bytes) ? json_of_hex((struct skep_bytes){(const char *)bytes, size_bytes}) : NULL;
}

static json_t *read_ext(struct cursor *c, uint64_t size_bytes) {
    uint64_t type;
    if (!take_number(c, 1, &type)) return NULL;
    json_t *data = read_bin(c, size_bytes);
    return data != NULL ? json_pack("{s:i, s:o}", "ext", (int)(int8_t)type, "data_hex", data) : NULL;
}

static json_t *read_array(struct cursor *c, uint64_t count) {
    json_t *array = json_array();
    for (; count > 0; count--) {
        if (json_array_append_new(array, read_value(c)) == 0) continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

static int set_member(json_t *object, const json_t *key, json_t *value) {
    if (json_is_string(key)) return json_object_set_new(object, json_string_value(key), value);
    char *text = json_dumps(key, JSON_COMPACT | JSON_ENCODE_ANY);
    int failed = json_object_set_new(object, text, value);
    free(text);
    return failed;
}

static json_t *read_map(struct cursor *c, uint64_t count) {
    json_t *object = json_object();
    for (; count > 0; count--) {
        json_t *key = read_value(c);
        int failed = key == NULL || set_member(object, key, read_value(c)) != 0;
        json_decref(key);
        if (!failed) continue;
        json_decref(object);
        return NULL;
    }
    return object;
}

/* What is larger than JSON's integers here loses its last digits. */
static json_t *read_unsigned(struct cursor *c, unsigned width_bytes) {
    uint64_t number;
    if (!take_number(c, width_bytes, &number)) return NULL;
    return number <= INT64_MAX ? json_integer((json_int_t)number) : json_real((double)number);
}

static json_t *read_signed(struct cursor *c, unsigned width_bytes) {
    uint64_t number;
    unsigned shift = 64 - 8 * width_bytes;
    return take_number(c, width_bytes, &number) ? json_integer((int64_t)(number << shift) >> shift) : NULL;
}

static json_t *real_or_null(double number) {
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *read_float(struct cursor *c) {
    uint64_t number;
    float value;
    if (!take_number(c, sizeof value, &number)) return NULL;
    uint32_t bits = (uint32_t)number;
    memcpy(&value, &bits, sizeof value);
    return real_or_null((double)value);
}

static json_t *read_double(struct cursor *c) {
    uint64_t bits;
    double value;
    if (!take_number(c, sizeof value, &bits)) return NULL;
    memcpy(&value, &bits, sizeof value);
    return real_or_null(value);
}

typedef json_t *read_sized(struct cursor *c, uint64_t size);

static json_t *read_counted(struct cursor *c, unsigned width_bytes, read_sized *read) {
    uint64_t size;
    return take_number(c, width_bytes, &size) ? read(c, size) : NULL;
}

static json_t *read_tagged(struct cursor *c, uint8_t tag) {
    /* clang-format off: a table */
    switch (tag) {
    case 0xc0: return json_null();
    case 0xc2: return json_false();
    case 0xc3: return json_true();
    case 0xc4:
    case 0xc5:
    case 0xc6: return read_counted(c, 1u << (tag - 0xc4), read_bin);
    case 0xc7:
    case 0xc8:
    case 0xc9: return read_counted(c, 1u << (tag - 0xc7), read_ext);
    case 0xca: return read_float(c);
    case 0xcb: return read_double(c);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return read_unsigned(c, 1u << (tag - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return read_signed(c, 1u << (tag - 0xd0));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8: return read_ext(c, 1u << (tag - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb: return read_counted(c, 1u << (tag - 0xd9), read_text);
    case 0xdc:
    case 0xdd: return read_counted(c, 2u << (tag - 0xdc), read_array);
    case 0xde:
    case 0xdf: return read_counted(c, 2u << (tag - 0xde), read_map);
    default: return NULL;
    }
    /* clang-format on */
}

static json_t *read_any(struct cursor *c, uint8_t tag) {
    if (tag <= 0x7f) return json_integer(tag);
    if (tag >= 0xe0) return json_integer((int8_t)tag);
    if (tag <= 0x8f) return read_map(c, tag & 0x0f);
    if (tag <= 0x9f) return read_array(c, tag & 0x0f);
    return tag <= 0xbf ? read_text(c, tag & 0x1f) : read_tagged(c, tag);
}

static json_t *read_value(struct cursor *c) {
    const uint8_t *tag;
    if (c->depth == MAX_DEPTH || !take(c, 1, &tag)) return NULL;
    c->depth++;
    json_t *value = read_any(c, *tag);
    c->depth--;
    return value;
}

json_t *unpack_json(struct skep_bytes bytes) {
    struct cursor c = {.at = (const uint8_t *)bytes.data, .left = bytes.size_bytes};
    json_t *value = read_value(&c);
    if (c.left == 0) return value;
    json_decref(value);
    return NULL;
}
