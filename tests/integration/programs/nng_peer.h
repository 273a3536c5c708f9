/* SPDX-License-Identifier: MIT
 * What nng_worker and nng_client share: frames of MessagePack commands over NNG's own sockets, from docs/protocol.md
 * and with none of Skep's code. Whatever fails ends the program with one line. */
#ifndef NNG_PEER_H
#define NNG_PEER_H

#include <msgpack.h>
#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEER_FAILED = 1, PEER_USAGE = 64, MAX_FRAME = 4 * 1024 * 1024, FULL_FRAME = 120 * 1024 };

static inline _Noreturn void peer_fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(PEER_FAILED);
}

static inline void peer_must(int status, const char *what) {
    if (status != 0) peer_fail(what, nng_strerror(status));
}

/* The first line of each program's output: which NNG it runs with. */
static inline void peer_say_version(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("NNG %s\n", nng_version());
}

/* --- frames to send; zero-initialised is an empty one --- */

struct frame {
    msgpack_sbuffer bytes;
};

static inline msgpack_packer peer_packer(struct frame *frame) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, &frame->bytes, msgpack_sbuffer_write);
    return packer;
}

static inline void put_bytes(struct frame *frame, const void *data, size_t size_bytes) {
    msgpack_packer packer = peer_packer(frame);
    msgpack_pack_bin(&packer, size_bytes);
    msgpack_pack_bin_body(&packer, data, size_bytes);
}

static inline void put_text(struct frame *frame, const char *text) {
    msgpack_packer packer = peer_packer(frame);
    msgpack_pack_str(&packer, strlen(text));
    msgpack_pack_str_body(&packer, text, strlen(text));
}

/* Begins a command; exactly so many fields follow. */
static inline void put_command(struct frame *frame, const char *cmd, size_t fields) {
    msgpack_packer packer = peer_packer(frame);
    msgpack_pack_map(&packer, fields + 1);
    put_text(frame, "cmd");
    put_text(frame, cmd);
}

static inline void put_field_uint(struct frame *frame, const char *key, uint64_t value) {
    put_text(frame, key);
    msgpack_packer packer = peer_packer(frame);
    msgpack_pack_uint64(&packer, value);
}

static inline void put_field_text(struct frame *frame, const char *key, const char *value) {
    put_text(frame, key);
    put_text(frame, value);
}

static inline void put_field_bytes(struct frame *frame, const char *key, const void *data, size_t size_bytes) {
    put_text(frame, key);
    put_bytes(frame, data, size_bytes);
}

static inline void put_field_true(struct frame *frame, const char *key) {
    put_text(frame, key);
    msgpack_packer packer = peer_packer(frame);
    msgpack_pack_true(&packer);
}

/* Begins a list; exactly so many items follow, each by put_bytes. */
static inline void put_field_list(struct frame *frame, const char *key, size_t items) {
    put_text(frame, key);
    msgpack_packer packer = peer_packer(frame);
    msgpack_pack_array(&packer, items);
}

/* Sends what is in the frame as one message, if anything is, and empties it. */
static inline void frame_send(struct frame *frame, nng_socket socket) {
    if (frame->bytes.size > 0) {
        nng_msg *message;
        peer_must(nng_msg_alloc(&message, 0), "message");
        peer_must(nng_msg_append(message, frame->bytes.data, frame->bytes.size), "message");
        peer_must(nng_sendmsg(socket, message, 0), "send");
    }
    msgpack_sbuffer_destroy(&frame->bytes);
    msgpack_sbuffer_init(&frame->bytes);
}

/* --- commands received; borrowed until the callback returns --- */

typedef void (*command_cb)(const msgpack_object *command, void *context);

static inline void each_command(const void *data, size_t size_bytes, command_cb callback, void *context) {
    msgpack_unpacked one;
    size_t at = 0;
    msgpack_unpacked_init(&one);
    while (at < size_bytes) {
        if (msgpack_unpack_next(&one, data, size_bytes, &at) != MSGPACK_UNPACK_SUCCESS ||
            one.data.type != MSGPACK_OBJECT_MAP)
            peer_fail("frame", "not a sequence of maps");
        callback(&one.data, context);
    }
    msgpack_unpacked_destroy(&one);
}

static inline bool text_is(const msgpack_object *object, const char *text) {
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, strlen(text)) == 0;
}

/* NULL if the command has no such field. */
static inline const msgpack_object *field(const msgpack_object *command, const char *key) {
    for (uint32_t i = 0; i < command->via.map.size; i++)
        if (text_is(&command->via.map.ptr[i].key, key)) return &command->via.map.ptr[i].val;
    return NULL;
}

static inline bool field_is(const msgpack_object *command, const char *key, const char *text) {
    const msgpack_object *found = field(command, key);
    return found != NULL && text_is(found, text);
}

static inline uint64_t field_uint(const msgpack_object *command, const char *key, uint64_t if_absent) {
    const msgpack_object *found = field(command, key);
    return found != NULL && found->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? found->via.u64 : if_absent;
}

struct bytes {
    const char *data;
    size_t size;
};

/* bin and str are the same on the wire of Skep. */
static inline struct bytes bytes_of(const msgpack_object *object) {
    if (object != NULL && object->type == MSGPACK_OBJECT_BIN)
        return (struct bytes){object->via.bin.ptr, object->via.bin.size};
    if (object != NULL && object->type == MSGPACK_OBJECT_STR)
        return (struct bytes){object->via.str.ptr, object->via.str.size};
    return (struct bytes){"", 0};
}

/* A list that must be there. */
static inline const msgpack_object_array *field_list(const msgpack_object *command, const char *key) {
    const msgpack_object *found = field(command, key);
    if (found == NULL || found->type != MSGPACK_OBJECT_ARRAY) peer_fail(key, "not a list");
    return &found->via.array;
}

/* --- sockets --- */

/* Connects an opened socket to the URL in a field; returns when it stands. */
static inline nng_socket dial_field(nng_socket socket, const msgpack_object *command, const char *key) {
    char url[256];
    struct bytes found = bytes_of(field(command, key));
    snprintf(url, sizeof url, "%.*s", (int)found.size, found.data);
    peer_must(nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, MAX_FRAME), key);
    peer_must(nng_dial(socket, url, NULL, 0), url);
    return socket;
}

/* Readable while a message waits in the socket. */
static inline int readable_fd(nng_socket socket) {
    int fd;
    peer_must(nng_socket_get_int(socket, NNG_OPT_RECVFD, &fd), "recv-fd");
    return fd;
}

/* Gives each command that has come to the callback; does not wait. */
static inline void receive_ready(nng_socket socket, command_cb callback, void *context) {
    nng_msg *message;
    int status;
    while ((status = nng_recvmsg(socket, &message, NNG_FLAG_NONBLOCK)) == 0) {
        each_command(nng_msg_body(message), nng_msg_len(message), callback, context);
        nng_msg_free(message);
    }
    if (status != NNG_EAGAIN) peer_must(status, "receive");
}

#endif
