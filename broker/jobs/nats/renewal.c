/* SPDX-License-Identifier: MIT
 * A stream that was made anew has other messages with the numbers of those before. */
#include <stdio.h>
#include <string.h>

#include "jobs/nats/private.h"

#define OF_BEFORE (UINT64_C(1) << 62) /* added to the numbers of what was taken from a stream that is gone */

/* What is left of the stream before is told apart from what has the same numbers now. */
static void rename_held(struct skep__stream *stream) {
    struct skep__held *held, *next, *renamed = NULL;
    // NOLINTBEGIN(clang-analyzer-*): it does not see that an element is in one of the two tables
    HASH_ITER(hh, stream->held, held, next) {
        HASH_DEL(stream->held, held);
        held->id |= OF_BEFORE;
        HASH_ADD(hh, renamed, id, sizeof held->id, held);
    }
    // NOLINTEND(clang-analyzer-*)
    stream->held = renamed;
}

void skep__stream_renewed(struct skep__stream *stream) {
    stream->doubt_count = 0;
    stream->created[0] = '\0';
    rename_held(stream);
}

void skep__stream_learn(struct skep__stream *stream, const char *created) {
    if (created == NULL || strcmp(stream->created, created) == 0) return;
    const bool other = stream->created[0] != '\0';
    if (other) {
        skep__stream_renewed(stream);
        skep__stream_trouble(stream, SKEP_ECLOSED, "the stream %s was made anew; what it had is lost", stream->name);
    }
    snprintf(stream->created, sizeof stream->created, "%s", created);
}
