/* SPDX-License-Identifier: MIT
 * How many jobs of each queue the stream has, for all brokers: asked for now and then. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "jobs/nats/private.h"

enum { COUNT_MS = 1000 };

void skep__counts_tick(struct skep__stream *stream) {
    char subject[SKEP__SUBJECT_BYTES], text[SKEP__STREAM_NAME + 64];
    const uint64_t now = skep__clock_ms(stream->clock);
    if (now - stream->counted_ms < COUNT_MS || !skep__nats_is_connected(stream->nats)) return;
    stream->counted_ms = now;
    snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", stream->name);
    snprintf(text, sizeof text, "{\"subjects_filter\":\"%s.work.>\"}", stream->name);
    (void)!skep__stream_ask(stream, subject, text, 'i', 0); /* else the next time */
}

/* What others have is not shown here. */
static void set_count(struct skep__stream *stream, struct skep__stream_shelf *shelf) {
    struct skep__shelf *of = shelf->shelf;
    const uint64_t stored = shelf->counted > shelf->held ? shelf->counted - shelf->held : 0;
    of->kept_count += stored - of->stored_count;
    of->stored_count = stored;
    shelf->counted = 0;
    skep__stream_note(stream, of);
}

/* NAME.work.TOKEN.CLASS */
static void add(struct skep__stream *stream, const char *subject, uint64_t count) {
    const size_t skipped = strlen(stream->name) + strlen(".work.");
    struct skep__stream_shelf *shelf = NULL;
    if (strlen(subject) <= skipped) return;
    const char *token = subject + skipped;
    HASH_FIND(hh, stream->shelves, token, strcspn(token, "."), shelf);
    if (shelf != NULL) shelf->counted += count;
}

void skep__counts_received(struct skep__stream *stream, const struct skep_bytes *answer) {
    json_t *json = json_loadb(answer->data, answer->size_bytes, 0, NULL), *count;
    const char *subject;
    const json_t *state = json_object_get(json, "state");
    if (json_object_get(json_object_get(json, "error"), "code") != NULL &&
        json_integer_value(json_object_get(json_object_get(json, "error"), "code")) == 404)
        skep__streams_missing(stream, 0);
    skep__stream_learn(stream, json_string_value(json_object_get(json, "created")));
    json_object_foreach(json_object_get(state, "subjects"), subject, count)
        add(stream, subject, (uint64_t)json_integer_value(count));
    for (struct skep__stream_shelf *shelf = stream->shelves; state != NULL && shelf != NULL; shelf = shelf->hh.next)
        set_count(stream, shelf);
    json_decref(json);
}
