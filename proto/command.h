/* SPDX-License-Identifier: MIT
 * Commands as C structs, and frames: bytes in, structs out; structs in, bytes out. No sockets, clocks, logs, globals.
 */
#pragma once

#include <msgpack.h>
#include <skep/status.h>
#include <stdbool.h>

#include "contract.h"

/* Borrowed bytes: of the decoded frame, or of the caller that fills a command to encode. Not terminated. */
struct skep_bytes {
    const char *data;
    size_t size_bytes;
};

/* A list of bins, in one of three forms; the others are NULL. */
struct skep_list {
    uint32_t count;
    const msgpack_object *items;       /* decoded, valid until the next command is read; can be encoded as it is */
    const struct skep_bytes *borrowed; /* to be encoded: where each is */
    const char *packed;                /* to be encoded: by skep__list_add */
    size_t packed_bytes;
};

/* C type behind each field type of commands.def */
typedef uint64_t skep_field_UINT;
typedef bool skep_field_BOOL;
typedef struct skep_bytes skep_field_STR;
typedef struct skep_bytes skep_field_BIN;
typedef struct skep_list skep_field_LIST;

/* COMMAND opens what END closes. */
/* clang-format off */

/* A struct for each command; bit SKEP_AT_command_field of has tells which fields are there. */
#define COMMAND(id, channels, answer, doc) struct skep_command_##id { uint32_t has;
#define FIELD(command, name, type, need, limit, doc) skep_field_##type name;
#define END(id) };
#include "commands.def"

/* Position of each field within its command */
#define COMMAND(id, channels, answer, doc) enum {
#define FIELD(command, name, type, need, limit, doc) SKEP_AT_##command##_##name,
#define END(id) SKEP_AT_##id##_END__ };
#include "commands.def"

/* clang-format on */

enum skep_command_id {
#define COMMAND(id, channels, answer, doc) SKEP_COMMAND_##id,
#include "commands.def"
    SKEP_COMMAND_COUNT
};

enum skep_channel {
#define CHANNEL(id, bit, name) SKEP_CHANNEL_##id = 1 << (bit),
#include "channels.def"
    SKEP_CHANNELS_END = 1 << 9
};

struct skep_command {
    enum skep_command_id id;
    union {
#define COMMAND(id, channels, answer, doc) struct skep_command_##id id;
#include "commands.def"
    };
};

/* Whether an optional field of a decoded command is there; marks one to be encoded. */
#define SKEP_HAS(command, pointer, field) (((pointer)->has >> SKEP_AT_##command##_##field) & 1u)
#define SKEP_SET(command, pointer, field, value) \
    ((pointer)->field = (value), (pointer)->has |= 1u << SKEP_AT_##command##_##field)

enum skep_field_type { SKEP_TYPE_UINT, SKEP_TYPE_BOOL, SKEP_TYPE_STR, SKEP_TYPE_BIN, SKEP_TYPE_LIST };

struct skep_field {
    const char *name; /* NULL ends the list */
    const char *doc;
    uint64_t limit;
    uint16_t offset; /* within the command's struct */
    uint8_t name_size_bytes;
    uint8_t type; /* enum skep_field_type */
    bool needed;
};

struct skep_spec {
    const char *name;
    const char *answer;
    const char *doc;
    const struct skep_field *fields;
    uint16_t name_size_bytes;
    uint16_t channels;
    uint16_t size_bytes; /* of the command's struct */
    uint32_t needed;     /* a bit for each field that must be there, as in has */
};

/* What a number is, by kinds.def; UNKNOWN: it has no row there, as whatever is no number of a status. */
enum skep_kind { SKEP_KIND_UNKNOWN, SKEP_KIND_COUNTER, SKEP_KIND_GAUGE, SKEP_KIND_INFO };

/* The kind of a field, by its position within its command. */
enum skep_kind skep__kind(enum skep_command_id id, unsigned at);

/* The table, by id; borrowed. */
const struct skep_spec *skep__spec(enum skep_command_id id);

/* Name of one channel, such as "outbox"; borrowed. */
const char *skep__channel_name(enum skep_channel channel);

/* Borrowed bytes that belong into a frame, before its own byte number at */
struct skep_loan {
    const void *data;
    size_t size_bytes;
    size_t at;
};

enum {
    SKEP_MAX_LOANS = 16,
    SKEP_LEAST_LOAN = 8192 /* bytes: less is copied for as much as a vector costs */
};

/* What a frame has borrowed; zero-initialised is nothing. */
struct skep_loans {
    unsigned count;
    size_t size_bytes; /* of all */
    struct skep_loan loans[SKEP_MAX_LOANS];
};

/* Frames being written. Zero-initialised is empty; free with skep__frame_free. */
struct skep_frame {
    char *data;
    size_t size_bytes; /* of its own */
    size_t capacity_bytes;
    struct skep_loans *loans; /* where large fields are noted instead of being copied; NULL: all are copied */
};

/* Appends one command. Errors: SKEP_ENOMEM, SKEP_ETOOBIG (a field over its limit, a list with too many items or, if it
 * was decoded, too large ones); the frame is as before then. */
SKEP_MUST_USE int skep__frame_add(struct skep_frame *frame, const struct skep_command *command);

/* Appends bytes as they are: commands that were encoded before. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__frame_append(struct skep_frame *frame, const void *data, size_t size_bytes);

/* Appends so many bytes that the caller fills in. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__frame_extend(struct skep_frame *frame, size_t size_bytes);

/* Appends one item of a list to a frame that holds nothing but items. Its size is the caller's to check against the
 * limit of the field that the list is for. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__list_add(struct skep_frame *items, const void *data, size_t size_bytes);

/* The list of count items that were added to a frame, which must outlive it. */
struct skep_list skep__list_of(const struct skep_frame *items, uint32_t count);

/* An item of a list that is not packed; borrowed. index < list->count. */
static inline struct skep_bytes skep__list_at(const struct skep_list *list, uint32_t index) {
    if (list->items == NULL) return list->borrowed[index];
    const msgpack_object *item = &list->items[index];
    return (struct skep_bytes){item->via.bin.ptr, item->via.bin.size};
}

/* Copies what the frame has borrowed, after which it borrows nothing and loans is NULL. Errors: SKEP_ENOMEM; the frame
 * is as before then. */
SKEP_MUST_USE int skep__frame_settle(struct skep_frame *frame);

/* Bytes of a frame with what it has borrowed. */
static inline size_t skep__frame_bytes(const struct skep_frame *frame) {
    return frame->size_bytes + (frame->loans != NULL ? frame->loans->size_bytes : 0);
}

/* Empties the frame and keeps its memory. */
void skep__frame_clear(struct skep_frame *frame);

void skep__frame_free(struct skep_frame *frame);

/* Values in one command, whatever contains them: msgpack-c spends 24 bytes on each, so that a frame of one-byte values
 * would grow to a hundred megabytes. The largest command of the table has two full lists, and some 40 values besides;
 * the rest is room for fields of later versions. */
enum { SKEP_MAX_VALUES = 2 * SKEP_MAX_LIST + 256 };

/* Frames being read. One reader a channel; its zone has room for any command, so that reading takes no memory. */
struct skep_reader {
    const char *data;
    size_t size_bytes;
    size_t offset_bytes;
    size_t command_bytes; /* where the command decoded last begins */
    msgpack_zone zone;
    enum skep_channel channel;
    enum skep_command_id guess; /* the last command read: the next is probably the same */
    uint64_t unknown;           /* commands and fields skipped so far */
    const char *why;            /* after an error: what was wrong; borrowed */
};

/* Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__reader_init(struct skep_reader *reader, enum skep_channel channel);
void skep__reader_free(struct skep_reader *reader); /* also one that is all zero */

/* Begins to read a frame, which stays the caller's and must outlive the commands decoded from it. Checks the whole
 * frame's structure (complete maps only, depth, counts) without allocating. Errors: SKEP_EPROTO. */
SKEP_MUST_USE int skep__reader_begin(struct skep_reader *reader, const void *data, size_t size_bytes);

/* Decodes the next command that is known; unknown ones are skipped and counted. *more is false at the frame's end.
 * Fields that are absent are 0, false or empty. The command's bytes and strings are borrowed from the frame. Errors:
 * SKEP_EPROTO (type, limit, a required field is missing, a command of another channel); the rest of the frame is to be
 * dropped then. */
SKEP_MUST_USE int skep__reader_next(struct skep_reader *reader, struct skep_command *command, bool *more);

/* Takes a command, which is borrowed; an error ends the reading. */
typedef int skep__take_cb(void *context, const struct skep_command *command);

/* Reads a whole frame: calls take for each command that is known. Errors: those of the two above; take's first. */
SKEP_MUST_USE int skep__reader_read(struct skep_reader *reader, const void *data, size_t size_bytes,
                                    skep__take_cb *take, void *context);

/* True if the bytes are complete MessagePack maps within SKEP_MAX_DEPTH, no count larger than what could follow. */
bool skep__scan(const void *data, size_t size_bytes);

/* True if the bytes are one complete MessagePack value of at most so many containers within each other, no count larger
 * than what could follow. */
bool skep__scan_value(const void *data, size_t size_bytes, unsigned depth);

/* Prints a command readably, such as: connection {connection: 7, listener: 1}. Text is escaped, data are shown by size.
 * Always terminates; returns the length. */
size_t skep__command_print(const struct skep_command *command, char *text, size_t capacity_bytes);
