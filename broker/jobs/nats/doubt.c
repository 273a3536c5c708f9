/* SPDX-License-Identifier: MIT
 * A server that was killed may have forgotten what it was told last: that it had delivered a message, or that this was
 * acknowledged. So what it had before counts as delivered once more, each time that the connection was lost: what runs
 * again is marked. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jobs/nats/private.h"

enum { AGAIN_MS = 1000 };

static void ask(struct skep__stream *stream) {
    char subject[SKEP__SUBJECT_BYTES];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", stream->name);
    stream->doubt_asked_ms = skep__clock_ms(stream->clock);
    (void)!skep__stream_ask(stream, subject, "", 'l', 0); /* else again later */
}

void skep__doubt_begin(struct skep__stream *stream) {
    stream->doubting = true;
    stream->doubt_asked_ms = 0;
}

void skep__doubt_tick(struct skep__stream *stream) {
    if (!stream->doubting || !skep__nats_is_connected(stream->nats)) return;
    if (stream->doubt_asked_ms == 0 || skep__clock_ms(stream->clock) - stream->doubt_asked_ms >= AGAIN_MS) ask(stream);
}

/* The oldest is of the least use: what it was about has been done long since, as a rule. */
static void add(struct skep__stream *stream, uint64_t id) {
    if (stream->doubt_count == SKEP__DOUBTS)
        memmove(stream->doubts, stream->doubts + 1, --stream->doubt_count * sizeof stream->doubts[0]);
    stream->doubts[stream->doubt_count++] = id;
}

void skep__doubt_received(struct skep__stream *stream, const struct skep_bytes *answer) {
    json_t *json = json_loadb(answer->data, answer->size_bytes, 0, NULL);
    const json_t *last = json_object_get(json_object_get(json, "state"), "last_seq");
    skep__stream_learn(stream, json_string_value(json_object_get(json, "created")));
    if (stream->doubting && stream->doubt_asked_ms != 0 && json_is_integer(last)) {
        stream->doubting = false;
        add(stream, (uint64_t)json_integer_value(last));
    } else if (json_integer_value(json_object_get(json_object_get(json, "error"), "code")) == 404) {
        stream->doubting = false; /* it has forgotten everything */
        skep__streams_missing(stream, 0);
    }
    json_decref(json);
}

uint32_t skep__doubts(const struct skep__stream *stream, uint64_t id) {
    uint32_t n = 0;
    for (unsigned i = 0; i < stream->doubt_count; i++) n += stream->doubts[i] >= id;
    return n;
}
