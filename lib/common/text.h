/* SPDX-License-Identifier: MIT
 * Bytes of the wire and strings of C. */
#pragma once

#include "command.h"

/* The bytes of a string, borrowed; none if it is NULL. */
struct skep_bytes skep__text(const char *text);

/* Whether bytes are those of a string. */
bool skep__text_is(struct skep_bytes bytes, const char *text);

/* Copies bytes to a buffer, cut to fit, and terminates them. */
void skep__copy_text(char *to, size_t capacity_bytes, const struct skep_bytes *from);

/* A message that is to be sent; to a worker by its number or else its name, or, by 0 and NULL, to the other end. */
static inline struct skep_command skep__message(uint32_t to, const char *to_name, const char *name, const void *data,
                                                size_t size_bytes) {
    struct skep_command command = {.id = SKEP_COMMAND_message, .message = {.name = skep__text(name)}};
    if (size_bytes > 0) SKEP_SET(message, &command.message, data, ((struct skep_bytes){data, size_bytes}));
    if (to != 0) SKEP_SET(message, &command.message, to, to);
    else if (to_name != NULL) SKEP_SET(message, &command.message, toName, skep__text(to_name));
    return command;
}

/* A reply that is to be sent. */
static inline struct skep_command skep__reply(uint64_t request, int status, const void *data, size_t size_bytes) {
    struct skep_command command = {.id = SKEP_COMMAND_reply, .reply = {.request = request}};
    if (status != SKEP_OK) SKEP_SET(reply, &command.reply, status, (uint64_t)status);
    if (size_bytes > 0) SKEP_SET(reply, &command.reply, data, ((struct skep_bytes){data, size_bytes}));
    return command;
}
