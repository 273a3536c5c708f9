/* SPDX-License-Identifier: MIT
 * JSON to and from MessagePack. The bytes are walked before msgpack-c sees them, which reserves what a count promises
 * whether it comes or not. */
#include "command/common/packed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command/common/print.h"
#include "command/common/utf8.h"

enum { MAX_DEPTH = 32 /* containers within each other: more msgpack-c does not read */ };

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

static json_t *json_of(const msgpack_object *object);

static json_t *text_or_hex(const char *data, size_t size_bytes) {
    if (!utf8_is_text(data, size_bytes)) return json_of_hex((struct skep_bytes){data, size_bytes});
    return size_bytes > 0 ? json_stringn(data, size_bytes) : json_string("");
}

static json_t *json_of_ext(const msgpack_object_ext *ext) {
    json_t *data = json_of_hex((struct skep_bytes){ext->ptr, ext->size});
    return data != NULL ? json_pack("{s:i, s:o}", "ext", (int)ext->type, "data_hex", data) : NULL;
}

static json_t *json_of_array(const msgpack_object_array *from) {
    json_t *array = json_array();
    for (uint32_t i = 0; i < from->size; i++) {
        if (json_array_append_new(array, json_of(&from->ptr[i])) == 0) continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

static bool is_scalar(const msgpack_object *object) {
    return object->type != MSGPACK_OBJECT_ARRAY && object->type != MSGPACK_OBJECT_MAP &&
           object->type != MSGPACK_OBJECT_EXT;
}

static int set_member(json_t *to, const json_t *key, json_t *value) {
    if (json_is_string(key)) return json_object_set_new(to, json_string_value(key), value);
    char *text = json_dumps(key, JSON_COMPACT | JSON_ENCODE_ANY);
    int failed = text == NULL || json_object_set_new(to, text, value) != 0;
    if (text == NULL) json_decref(value);
    free(text);
    return failed;
}

/* A key that is a container would be text within text, escaped once more at each level. */
static int add_member(json_t *to, const msgpack_object_kv *member) {
    if (!is_scalar(&member->key)) return -1;
    json_t *key = json_of(&member->key);
    int failed = key == NULL || set_member(to, key, json_of(&member->val)) != 0;
    json_decref(key);
    return failed;
}

static json_t *json_of_map(const msgpack_object_map *from) {
    json_t *object = json_object();
    for (uint32_t i = 0; i < from->size; i++) {
        if (add_member(object, &from->ptr[i]) == 0) continue;
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *json_of(const msgpack_object *o) {
    switch (o->type) {
    case MSGPACK_OBJECT_BOOLEAN: return json_boolean(o->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER: /* what is larger than JSON's integers here loses its last digits */
        return o->via.u64 <= INT64_MAX ? json_integer((json_int_t)o->via.u64) : json_real((double)o->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return json_integer(o->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return isfinite(o->via.f64) ? json_real(o->via.f64) : json_null();
    case MSGPACK_OBJECT_STR: return text_or_hex(o->via.str.ptr, o->via.str.size);
    case MSGPACK_OBJECT_BIN: return json_of_hex((struct skep_bytes){o->via.bin.ptr, o->via.bin.size});
    case MSGPACK_OBJECT_ARRAY: return json_of_array(&o->via.array);
    case MSGPACK_OBJECT_MAP: return json_of_map(&o->via.map);
    case MSGPACK_OBJECT_EXT: return json_of_ext(&o->via.ext);
    default: return json_null();
    }
}

json_t *unpack_json(struct skep_bytes bytes) {
    msgpack_unpacked unpacked;
    size_t at = 0;
    if (!skep__scan_value(bytes.data, bytes.size_bytes, MAX_DEPTH)) return NULL;
    msgpack_unpacked_init(&unpacked);
    bool whole = msgpack_unpack_next(&unpacked, bytes.data, bytes.size_bytes, &at) == MSGPACK_UNPACK_SUCCESS;
    json_t *value = whole ? json_of(&unpacked.data) : NULL;
    msgpack_unpacked_destroy(&unpacked);
    return value;
}
