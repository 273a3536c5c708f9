/* SPDX-License-Identifier: MIT
 * What all files here stand on: what is said to servers and to the owner. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jobs/nats/private.h"

void skep__stream_turn(struct skep__stream *stream) {
    if (!stream->freed) skep__flusher_mark(stream->flusher, &stream->turn);
}

int skep__stream_ask(struct skep__stream *stream, const char *subject, const char *text, char letter, uint64_t number) {
    char reply[sizeof stream->inbox + 32];
    snprintf(reply, sizeof reply, "%s%c.%" PRIu64, stream->inbox, letter, number);
    return skep__nats_publish(
        stream->nats,
        &(struct skep__nats_message){.subject = subject, .reply = reply, .data = text, .size_bytes = strlen(text)});
}

void skep__stream_trouble(struct skep__stream *stream, int status, const char *format, ...) {
    char why[SKEP_MAX_REASON + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    stream->store.events->trouble(stream->store.context, status, why);
}

void skep__stream_note(struct skep__stream *stream, struct skep__shelf *shelf) {
    skep__memory_shelf_note(skep__memory_of(stream->memory), skep__memory_shelf(shelf));
}

const char *skep__stream_cause(const char *text) {
    static const char *const causes[] = {"attempts", "deaths", "interrupted", "expired", "refused"};
    for (size_t i = 0; text != NULL && i < sizeof causes / sizeof *causes; i++)
        if (strcmp(causes[i], text) == 0) return causes[i];
    return text != NULL && strcmp(text, skep__cancelled) == 0 ? skep__cancelled : "unknown";
}
