/* SPDX-License-Identifier: MIT
 * SP over Unix sockets, the wire of NNG's ipc transport: bytes in, frames out. No sockets, no clocks. The source is NNG
 * itself and docs/protocol.md, "SP over Unix sockets". */
#pragma once

#include "command.h"

/* SP's protocol numbers */
enum skep__sp_protocol {
    SKEP__SP_PUB = 0x20,
    SKEP__SP_SUB = 0x21,
    SKEP__SP_REQ = 0x30,
    SKEP__SP_REP = 0x31,
    SKEP__SP_PUSH = 0x50,
    SKEP__SP_PULL = 0x51
};

enum {
    SKEP__SP_GREETING_BYTES = 8,
    SKEP__SP_HEAD_BYTES = 9,
    SKEP__SP_NUMBER_BYTES = 4, /* of a route: before each question and its answer */
    SKEP__SP_MAX_ROUTE = 8     /* numbers; NNG's own limit */
};

/* What each side sends first, without waiting for the other's. */
void skep__sp_greeting(unsigned char greeting[SKEP__SP_GREETING_BYTES], enum skep__sp_protocol own);

/* What precedes a frame of so many bytes. */
void skep__sp_head(unsigned char head[SKEP__SP_HEAD_BYTES], size_t size_bytes);

/* The route of a question that is asked directly: one number, with the bit set that marks the last. */
void skep__sp_put_number(unsigned char route[SKEP__SP_NUMBER_BYTES], uint32_t number);

/* The bytes of the route before a question or an answer; 0: there is none. */
size_t skep__sp_route_bytes(const char *data, size_t size_bytes);

/* The protocol that one of this protocol talks to. */
enum skep__sp_protocol skep__sp_counterpart(enum skep__sp_protocol own);

/* One direction of a connection being read. Zero-initialise it but for expects; free with skep__sp_free. */
struct skep__sp_reader {
    enum skep__sp_protocol expects; /* the peer's protocol */
    bool greeted;                   /* its greeting has come, and was right */
    unsigned char head[SKEP__SP_HEAD_BYTES];
    size_t head_bytes;   /* of a greeting or a head that has come in part; else 0 */
    bool in_body;        /* of a frame that has come in part */
    char *body;          /* of that frame; NULL: there was no memory for it yet */
    size_t body_bytes;   /* that have come */
    size_t whole_bytes;  /* that are to come in all */
    size_t room_bytes;   /* allocated, never more than a few times what has come: a claim costs nothing */
    bool body_delivered; /* it was handed out, and is freed next */
    const char *why;     /* after SKEP_EPROTO: what was wrong; borrowed */
};

/* Takes the next frame out of bytes that have come: *data and *left_bytes move on. The frame is borrowed until the next
 * call; it lies in the bytes themselves if they hold it whole. Errors: SKEP_EAGAIN (all was taken, no frame is whole),
 * SKEP_EPROTO (the connection is to be closed), SKEP_ENOMEM (the same, unless it is tried again with what is left). */
SKEP_MUST_USE int skep__sp_next(struct skep__sp_reader *reader, const char **data, size_t *left_bytes,
                                struct skep_bytes *frame);

/* Where the next bytes of a frame that has come in part belong, so that they can be received there; the number of
 * bytes, or 0 if there is no such frame, or no memory. *rest tells whether what follows the frame may be received
 * behind them. The number of bytes received goes to skep__sp_filled, before the next skep__sp_next. */
size_t skep__sp_room(struct skep__sp_reader *reader, char **place, bool *rest);
void skep__sp_filled(struct skep__sp_reader *reader, size_t size_bytes);

/* True in the midst of a greeting or of a head, which honest peers send in one piece. */
bool skep__sp_is_between(const struct skep__sp_reader *reader);

void skep__sp_free(struct skep__sp_reader *reader);
