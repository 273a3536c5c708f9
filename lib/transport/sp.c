/* SPDX-License-Identifier: MIT
 * SP's greeting and frames: see sp.h. */
#include "transport/sp.h"

#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE = 1,            /* first byte of a head: a message, the only kind there is */
    FIRST_ROOM = 64 * 1024, /* bytes allocated for a frame that has come in part, whatever its head claims */
    GROWTH = 4,             /* times that, when they are full */
    LAST = 0x80             /* in the first byte of a number: the last one of a route */
};

void skep__sp_greeting(unsigned char greeting[SKEP__SP_GREETING_BYTES], enum skep__sp_protocol own) {
    const unsigned char bytes[SKEP__SP_GREETING_BYTES] = {0, 'S', 'P', 0, 0, (unsigned char)own, 0, 0};
    memcpy(greeting, bytes, sizeof bytes);
}

void skep__sp_head(unsigned char head[SKEP__SP_HEAD_BYTES], size_t size_bytes) {
    head[0] = MESSAGE;
    for (unsigned i = 0; i < 8; i++) head[1 + i] = (unsigned char)((uint64_t)size_bytes >> (56 - 8 * i));
}

void skep__sp_put_number(unsigned char route[SKEP__SP_NUMBER_BYTES], uint32_t number) {
    for (unsigned i = 0; i < SKEP__SP_NUMBER_BYTES; i++) route[i] = (unsigned char)(number >> (24 - 8 * i));
    route[0] |= LAST;
}

size_t skep__sp_route_bytes(const char *data, size_t size_bytes) {
    const size_t most = (size_t)SKEP__SP_MAX_ROUTE * SKEP__SP_NUMBER_BYTES;
    for (size_t n = SKEP__SP_NUMBER_BYTES; n <= size_bytes && n <= most; n += SKEP__SP_NUMBER_BYTES)
        if ((unsigned char)data[n - SKEP__SP_NUMBER_BYTES] & LAST) return n;
    return 0;
}

enum skep__sp_protocol skep__sp_counterpart(enum skep__sp_protocol own) {
    return (enum skep__sp_protocol)(own ^ 1u); /* they come in pairs of an even and an odd number */
}

static int refuse(struct skep__sp_reader *reader, const char *why) {
    reader->why = why;
    return SKEP_EPROTO;
}

/* Completes the greeting or head from the bytes; false if they do not suffice. */
static bool gather_head(struct skep__sp_reader *reader, size_t wanted_bytes, const char **data, size_t *left_bytes) {
    size_t missing = wanted_bytes - reader->head_bytes;
    size_t n = missing < *left_bytes ? missing : *left_bytes;
    if (n > 0) memcpy(reader->head + reader->head_bytes, *data, n);
    reader->head_bytes += n;
    *data += n;
    *left_bytes -= n;
    return reader->head_bytes == wanted_bytes;
}

static int check_greeting(struct skep__sp_reader *reader) {
    unsigned char right[SKEP__SP_GREETING_BYTES];
    skep__sp_greeting(right, reader->expects);
    reader->head_bytes = 0;
    reader->greeted = memcmp(reader->head, right, sizeof right) == 0;
    if (reader->greeted) return SKEP_OK;
    bool speaks_sp = memcmp(reader->head, right, 4) == 0;
    return refuse(reader, speaks_sp ? "greeting of another protocol" : "greeting is not that of SP");
}

static int read_size(struct skep__sp_reader *reader) {
    uint64_t size = 0;
    reader->head_bytes = 0;
    if (reader->head[0] != MESSAGE) return refuse(reader, "a frame begins with a wrong byte");
    for (unsigned i = 0; i < 8; i++) size = size << 8 | reader->head[1 + i];
    if (size > SKEP_MAX_FRAME) return refuse(reader, "a frame over the limit");
    reader->whole_bytes = (size_t)size;
    return SKEP_OK;
}

static void free_body(struct skep__sp_reader *reader) {
    free(reader->body);
    reader->body = NULL;
    reader->body_bytes = reader->room_bytes = 0;
    reader->body_delivered = false;
}

/* At least so much room, and more if much is there already. */
static int make_room(struct skep__sp_reader *reader, size_t wanted_bytes) {
    size_t room = reader->room_bytes * GROWTH > FIRST_ROOM ? reader->room_bytes * GROWTH : FIRST_ROOM;
    if (room < wanted_bytes) room = wanted_bytes;
    if (room > reader->whole_bytes) room = reader->whole_bytes;
    char *body = realloc(reader->body, room); // NOLINT(*.UnixAPI): what has come in part is not empty
    if (body == NULL) return SKEP_ENOMEM;
    reader->body = body;
    reader->room_bytes = room;
    return SKEP_OK;
}

/* Keeps what has come of a frame, and hands it out once it is whole. */
static int finish_body(struct skep__sp_reader *reader, const char **data, size_t *left_bytes,
                       struct skep_bytes *frame) {
    size_t missing = reader->whole_bytes - reader->body_bytes;
    size_t n = missing < *left_bytes ? missing : *left_bytes;
    bool has_room = reader->body != NULL && reader->body_bytes + n <= reader->room_bytes;
    int status = has_room ? SKEP_OK : make_room(reader, reader->body_bytes + n);
    if (status != SKEP_OK) return status;
    if (n > 0) memcpy(reader->body + reader->body_bytes, *data, n);
    reader->body_bytes += n;
    *data += n;
    *left_bytes -= n;
    if (n < missing) return SKEP_EAGAIN;
    *frame = (struct skep_bytes){reader->body, reader->body_bytes};
    reader->body_delivered = true;
    reader->in_body = false;
    return SKEP_OK;
}

int skep__sp_next(struct skep__sp_reader *reader, const char **data, size_t *left_bytes, struct skep_bytes *frame) {
    int status = SKEP_OK;
    if (reader->body_delivered) free_body(reader);
    if (reader->in_body) return finish_body(reader, data, left_bytes, frame);
    if (!reader->greeted) {
        if (!gather_head(reader, SKEP__SP_GREETING_BYTES, data, left_bytes)) return SKEP_EAGAIN;
        status = check_greeting(reader);
    }
    if (status == SKEP_OK && !gather_head(reader, SKEP__SP_HEAD_BYTES, data, left_bytes)) return SKEP_EAGAIN;
    if (status == SKEP_OK) status = read_size(reader);
    if (status != SKEP_OK) return status;
    reader->in_body = *left_bytes < reader->whole_bytes;
    if (reader->in_body) return finish_body(reader, data, left_bytes, frame);
    *frame = (struct skep_bytes){*data, reader->whole_bytes};
    *data += reader->whole_bytes;
    *left_bytes -= reader->whole_bytes;
    return SKEP_OK;
}

size_t skep__sp_room(struct skep__sp_reader *reader, char **place, bool *rest) {
    if (reader->body == NULL || reader->body_delivered) return 0;
    if (reader->body_bytes == reader->room_bytes && make_room(reader, reader->body_bytes + 1) != SKEP_OK) return 0;
    *place = reader->body + reader->body_bytes;
    *rest = reader->room_bytes == reader->whole_bytes;
    return reader->room_bytes - reader->body_bytes;
}

void skep__sp_filled(struct skep__sp_reader *reader, size_t size_bytes) {
    reader->body_bytes += size_bytes;
}

bool skep__sp_is_between(const struct skep__sp_reader *reader) {
    return !reader->greeted || reader->head_bytes > 0;
}

void skep__sp_free(struct skep__sp_reader *reader) {
    free_body(reader);
}
