/* SPDX-License-Identifier: MIT
 * What comes to the store: messages, the end of a turn, time, the end of a connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/container.h"
#include "jobs/nats/private.h"

/* An inbox's subject has a letter, a dot, and as a rule a number; others are those of jobs. */
void skep__stream_received(void *context, const struct skep__nats_received *message) {
    struct skep__stream *stream = context;
    if (strncmp(message->subject, stream->inbox, stream->inbox_bytes) != 0) {
        skep__source_received(stream, message);
        skep__stream_turn(stream);
        return;
    }
    const char letter = message->subject[stream->inbox_bytes];
    const char *rest = message->subject + stream->inbox_bytes + 2;
    const uint64_t number = strtoull(rest, NULL, 10);
    switch (letter) {
    case 'p': skep__puts_answered(stream, number, message); break;
    case 'o': skep__outcome_received(stream, number, message); break;
    case 'u': skep__report_confirmed(stream, number, message); break;
    case 'm': skep__source_status(stream, rest, message); break;
    case 'c': skep__source_made(stream, rest, message); break;
    case 's': skep__streams_answered(stream, (unsigned)number, &message->data); break;
    case 'i': skep__counts_received(stream, &message->data); break;
    case 'l': skep__doubt_received(stream, &message->data); break;
    case 'g': skep__dead_received(stream, message); break;
    default: skep__steps_answered(stream, letter, number, message);
    }
    skep__stream_turn(stream);
}

void skep__stream_gone(void *context, const struct skep__nats_received *message) {
    char text[24];
    const size_t size = message->data.size_bytes < sizeof text ? message->data.size_bytes : sizeof text - 1;
    memcpy(text, message->data.data, size);
    text[size] = '\0';
    skep__steps_gone(context, strtoull(text, NULL, 10));
}

void skep__stream_at_turn(struct skep__flush *flush) {
    struct skep__stream *stream = SKEP_CONTAINER(flush, struct skep__stream, turn);
    skep__puts_complete(stream);
    skep__steps_turn(stream);
    if (stream->settles) {
        stream->settles = false;
        stream->store.events->settled(stream->store.context);
    }
    skep__sources_pull(stream);
}

void skep__stream_tick(uv_timer_t *timer) {
    struct skep__stream *stream = timer->data;
    skep__puts_tick(stream, false);
    skep__held_tick(stream);
    skep__steps_tick(stream, false);
    skep__sources_tick(stream, false);
    skep__counts_tick(stream);
    skep__dead_tick(stream);
    skep__doubt_tick(stream);
    skep__reports_tick(stream);
    skep__stream_turn(stream);
}

static void lost(void *context, int status, const char *why) {
    struct skep__stream *stream = context;
    if (stream->away_ms == 0) stream->away_ms = skep__clock_ms(stream->clock);
    skep__doubt_begin(stream);
    skep__stream_trouble(stream, status, "the connection to NATS is %s%s%s", status == SKEP_EACCES ? "refused" : "lost",
                         why[0] != '\0' ? ": " : "", why);
}

static void made(void *context, const char *url) {
    struct skep__stream *stream = context;
    char how[SKEP_MAX_REASON + 1];
    const char *at = strrchr(url, '@'); /* no password is shown */
    stream->away_ms = 0;
    snprintf(how, sizeof how, "connected to NATS at %s", at != NULL ? at + 1 : url);
    stream->store.events->mended(stream->store.context, how);
    skep__doubt_tick(stream);
    skep__puts_tick(stream, true);
    skep__held_tick(stream);
    skep__steps_tick(stream, true);
    skep__sources_tick(stream, true);
    skep__stream_turn(stream);
}

const struct skep__nats_events skep__stream_link_events = {.lost = lost, .made = made};
