/* SPDX-License-Identifier: MIT
 * Fuzzes the reading of SP: in whatever pieces the bytes come, copied or received in place, the frames are those that a
 * plain parser of all the bytes finds, none is over the limit, and what is allocated follows what has come. The first
 * byte of the input chooses the pieces. Dictionary fuzz_sp.dict, seeds corpus/sp. */
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "transport/sp.h"

enum { FIRST_ROOM = 64 * 1024, GROWTH = 5 /* times what has come, at most */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

/* --- the plain parser: all bytes are there --- */

struct plain {
    const uint8_t *data;
    size_t left_bytes;
    bool refused;
};

static void skip(struct plain *plain, size_t size_bytes) {
    plain->data += size_bytes;
    plain->left_bytes -= size_bytes;
}

static bool greets(struct plain *plain) {
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
    if (plain->left_bytes < sizeof greeting) return false;
    plain->refused = memcmp(plain->data, greeting, sizeof greeting) != 0;
    skip(plain, sizeof greeting);
    return !plain->refused;
}

/* False if there is none, or not all of it. */
static bool next_frame(struct plain *plain, struct skep_bytes *frame) {
    enum { HEAD_BYTES = 9 };
    uint64_t size = 0;
    if (plain->refused || plain->left_bytes < HEAD_BYTES) return false;
    for (unsigned i = 1; i < HEAD_BYTES; i++) size = size * 256 + plain->data[i];
    plain->refused = plain->data[0] != 1 || size > 4194304;
    if (plain->refused || size > plain->left_bytes - HEAD_BYTES) return false;
    *frame = (struct skep_bytes){(const char *)plain->data + HEAD_BYTES, (size_t)size};
    skip(plain, HEAD_BYTES + (size_t)size);
    return true;
}

/* --- the reader, in pieces --- */

struct pieces {
    struct skep__sp_reader reader;
    struct plain plain; /* behind the greeting, as far as the reader has come */
    uint32_t random;
    unsigned way; /* 0: copied; 1: received in place; 2: now so, now so */
    int status;
};

static uint32_t draw(struct pieces *pieces) {
    pieces->random = pieces->random * 1664525 + 1013904223;
    return pieces->random >> 8;
}

static void check_frame(struct pieces *pieces, const struct skep_bytes *frame) {
    struct skep_bytes wanted = {NULL, 0};
    must(next_frame(&pieces->plain, &wanted));
    must(frame->size_bytes == wanted.size_bytes && frame->size_bytes <= SKEP_MAX_FRAME);
    must(frame->size_bytes == 0 || memcmp(frame->data, wanted.data, frame->size_bytes) == 0);
}

/* From a copy of just that size, so that a sanitizer sees what is read beyond its end. */
static void take(struct pieces *pieces, const uint8_t *data, size_t size_bytes) {
    struct skep_bytes frame;
    char *copy = malloc(size_bytes > 0 ? size_bytes : 1);
    const char *place = copy;
    if (copy == NULL) abort();
    if (size_bytes > 0) memcpy(copy, data, size_bytes);
    while ((pieces->status = skep__sp_next(&pieces->reader, &place, &size_bytes, &frame)) == SKEP_OK)
        check_frame(pieces, &frame);
    must(pieces->status == SKEP_EPROTO ? pieces->reader.why != NULL : size_bytes == 0);
    free(copy);
}

/* What a socket would put behind a frame that has come in part; how much. */
static size_t fill(struct pieces *pieces, const uint8_t *data, size_t size_bytes, bool *rest) {
    char *place;
    size_t room_bytes = skep__sp_room(&pieces->reader, &place, rest);
    size_t n = room_bytes < size_bytes ? room_bytes : size_bytes;
    if (n > 0) memcpy(place, data, n);
    skep__sp_filled(&pieces->reader, n);
    return n;
}

/* How much of the piece was taken. */
static size_t feed(struct pieces *pieces, const uint8_t *data, size_t size_bytes) {
    bool rest = true, in_place = pieces->way == 1 || (pieces->way == 2 && draw(pieces) % 2 == 0);
    size_t n = in_place ? fill(pieces, data, size_bytes, &rest) : 0;
    size_t copied_bytes = rest ? size_bytes - n : 0;
    take(pieces, data + n, copied_bytes);
    return n + copied_bytes;
}

static size_t piece_bytes(struct pieces *pieces, unsigned most, size_t left_bytes) {
    size_t wanted = most == 0 ? left_bytes : draw(pieces) % most + 1;
    return wanted < left_bytes ? wanted : left_bytes;
}

static void check_memory(const struct pieces *pieces, size_t come_bytes) {
    must(pieces->reader.room_bytes <= FIRST_ROOM || pieces->reader.room_bytes <= GROWTH * come_bytes);
    must(pieces->reader.body_bytes <= pieces->reader.room_bytes);
    must(pieces->reader.room_bytes <= SKEP_MAX_FRAME);
}

/* At the end both have found the same, and the same fault. */
static void check_end(struct pieces *pieces) {
    struct skep_bytes frame;
    must(!next_frame(&pieces->plain, &frame));
    must((pieces->status == SKEP_EPROTO) == pieces->plain.refused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    static const unsigned most_bytes[] = {0, 1, 3, 9, 100, 5000};
    if (size_bytes == 0) return 0;
    unsigned choice = data[0];
    struct pieces pieces = {.reader = {.expects = SKEP__SP_PUSH}, .random = choice, .way = choice % 3};
    unsigned most = most_bytes[choice / 3 % 6];
    data++, size_bytes--;
    pieces.plain = (struct plain){.data = data, .left_bytes = size_bytes};
    bool greeted = greets(&pieces.plain);
    pieces.status = SKEP_EAGAIN;
    for (size_t at = 0; at < size_bytes && pieces.status == SKEP_EAGAIN;) {
        at += feed(&pieces, data + at, piece_bytes(&pieces, most, size_bytes - at));
        check_memory(&pieces, at);
    }
    must(pieces.reader.greeted == (size_bytes >= SKEP__SP_GREETING_BYTES));
    if (greeted) check_end(&pieces);
    else must((pieces.status == SKEP_EPROTO) == pieces.plain.refused);
    skep__sp_free(&pieces.reader);
    return 0;
}
