/* SPDX-License-Identifier: MIT
 * Fuzzes what is printed of a reply: MessagePack as JSON. Its size is bounded by that of the input, and what is packed
 * again is the same. Dictionary fuzz_packed.dict, seeds corpus/packed. */
#include "command/common/packed.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

static void check_size(const json_t *value, size_t size_bytes) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY);
    must(text != NULL);
    must(strlen(text) <= SKEP_PACKED_GROWTH * size_bytes);
    free(text);
}

/* Where an extension has become an object it may be too deep now. */
static void check_again(const json_t *value) {
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    must(pack_json(&packer, value) == SKEP_OK);
    json_t *again = unpack_json((struct skep_bytes){packed.data, packed.size});
    must(again == NULL || json_equal(value, again));
    json_decref(again);
    msgpack_sbuffer_destroy(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    json_t *value = unpack_json((struct skep_bytes){(const char *)data, size_bytes});
    if (value == NULL) return 0;
    check_size(value, size_bytes);
    check_again(value);
    json_decref(value);
    return 0;
}
