/* SPDX-License-Identifier: MIT
 * Fields of JSON objects. */
#include "command/common/fields.h"

#include <string.h>

#include "command/common/utf8.h"

json_t *json_of_count(uint64_t count) {
    return json_integer(count < INT64_MAX ? (json_int_t)count : INT64_MAX);
}

json_int_t number_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

/* Bytes of a peer's that are no UTF-8 lose what is not ASCII. */
json_t *json_of_bytes(struct skep_bytes bytes) {
    if (bytes.size_bytes == 0) return json_string("");
    json_t *string = json_stringn(bytes.data, bytes.size_bytes);
    if (string != NULL) return string;
    char ascii[SKEP_MAX_PATH + 1]; /* the longest text that there is */
    size_t size_bytes = bytes.size_bytes < sizeof ascii ? bytes.size_bytes : sizeof ascii;
    memcpy(ascii, bytes.data, size_bytes);
    for (size_t i = 0; i < size_bytes; i++)
        if ((unsigned char)ascii[i] >= 0x80) ascii[i] = '?';
    return json_stringn(ascii, size_bytes);
}

struct skep_bytes whole_characters(struct skep_bytes bytes, bool is_cut) {
    size_t size_bytes = is_cut ? utf8_whole(bytes.data, bytes.size_bytes) : bytes.size_bytes;
    return utf8_is_text(bytes.data, size_bytes) ? (struct skep_bytes){bytes.data, size_bytes} : bytes;
}

json_t *json_of_ms(uint64_t ms) {
    return json_real((double)ms / 1000);
}
