/* SPDX-License-Identifier: MIT
 * The command that the peers in C pack and decode: the same MessagePack map that skep_send and skep_request put on the
 * wire. */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../figures.h"

struct bench_command {
    char data[BENCH_PAYLOAD];
    uint64_t request; /* 0: no reply is wanted */
};

static inline void bench_pack_key(msgpack_packer *packer, const char *key) {
    size_t size = strlen(key);
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, key, size);
}

/* Appends {cmd: message, name: bench, data: 64 bytes} and the request, if there is one. */
static inline void bench_pack(msgpack_sbuffer *buffer, const struct bench_command *command) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, command->request == 0 ? 3 : 4);
    bench_pack_key(&packer, "cmd");
    bench_pack_key(&packer, "message");
    bench_pack_key(&packer, "name");
    bench_pack_key(&packer, "bench");
    bench_pack_key(&packer, "data");
    msgpack_pack_bin(&packer, BENCH_PAYLOAD);
    msgpack_pack_bin_body(&packer, command->data, BENCH_PAYLOAD);
    if (command->request == 0) return;
    bench_pack_key(&packer, "request");
    msgpack_pack_uint64(&packer, command->request);
}

static inline bool bench_is(const msgpack_object *object, const char *text) {
    size_t size = strlen(text);
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == size &&
           memcmp(object->via.str.ptr, text, size) == 0;
}

static inline bool bench_take_field(const msgpack_object_kv *field, struct bench_command *command) {
    if (bench_is(&field->key, "cmd")) return bench_is(&field->val, "message");
    if (bench_is(&field->key, "name")) return bench_is(&field->val, "bench");
    if (bench_is(&field->key, "request")) {
        if (field->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER) return false;
        command->request = field->val.via.u64;
        return true;
    }
    if (!bench_is(&field->key, "data")) return true;
    if (field->val.type != MSGPACK_OBJECT_BIN || field->val.via.bin.size != BENCH_PAYLOAD) return false;
    memcpy(command->data, field->val.via.bin.ptr, BENCH_PAYLOAD);
    return true;
}

/* Decodes one command, with a zone that is used again and again. */
static inline bool bench_unpack(msgpack_zone *zone, const void *data, size_t size, struct bench_command *command) {
    msgpack_object object;
    size_t offset = 0;
    msgpack_zone_clear(zone);
    command->request = 0;
    if (msgpack_unpack(data, size, &offset, zone, &object) != MSGPACK_UNPACK_SUCCESS) return false;
    if (object.type != MSGPACK_OBJECT_MAP) return false;
    for (uint32_t i = 0; i < object.via.map.size; i++) {
        if (!bench_take_field(&object.via.map.ptr[i], command)) return false;
    }
    return true;
}

#endif
