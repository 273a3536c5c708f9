/* SPDX-License-Identifier: MIT
 * JSON, which people type and read, to and from MessagePack, which workers speak. */
#ifndef SKEP_COMMAND_COMMON_PACKED_H
#define SKEP_COMMAND_COMMON_PACKED_H

#include <command.h>
#include <jansson.h>
#include <msgpack.h>

enum { SKEP_PACKED_GROWTH = 16 };

/* Appends a value. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int pack_json(msgpack_packer *packer, const json_t *value);

/* A new value if the bytes are one complete MessagePack value whose containers are at most 32 within each other and
 * whose keys are no containers, else NULL. What JSON has no word for becomes text: bytes are hexadecimal digits, keys
 * that are no text are written as JSON. Printed it has at most SKEP_PACKED_GROWTH times as many bytes. */
json_t *unpack_json(struct skep_bytes bytes);

#endif
