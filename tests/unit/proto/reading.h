/* SPDX-License-Identifier: MIT
 * Reading of frames in tests: at once, or command by command, from memory that ends where the frame ends. */
#ifndef SKEP_TESTS_READING_H
#define SKEP_TESTS_READING_H

#include "proto/sample.h"

/* A copy of bytes that ends where they end, and a reader over it */
struct reading {
    struct skep_reader reader;
    uint8_t *data;
};

static inline int begin(struct reading *reading, enum skep_channel channel, const void *data, size_t size_bytes) {
    assert_int_equal(skep__reader_init(&reading->reader, channel), SKEP_OK);
    reading->data = sample_copy(data, size_bytes);
    return skep__reader_begin(&reading->reader, reading->data, size_bytes);
}

static inline void end(struct reading *reading) {
    skep__reader_free(&reading->reader);
    free(reading->data);
}

/* Reads a frame to its end or its first error; how many commands came before. */
static inline int read_all(struct reading *reading, unsigned *count) {
    struct skep_command command;
    bool more = true;
    *count = 0;
    for (;;) {
        int status = skep__reader_next(&reading->reader, &command, &more);
        if (status != SKEP_OK || !more) return status;
        (*count)++;
    }
}

struct outcome {
    int status;
    unsigned commands;
    uint64_t unknown;
    const char *why;
};

static inline struct outcome read_bytes(enum skep_channel channel, const void *data, size_t size_bytes) {
    struct reading reading;
    struct outcome outcome = {.status = begin(&reading, channel, data, size_bytes)};
    if (outcome.status == SKEP_OK) outcome.status = read_all(&reading, &outcome.commands);
    outcome.unknown = reading.reader.unknown;
    outcome.why = reading.reader.why;
    end(&reading);
    return outcome;
}

static inline void assert_reads(enum skep_channel channel, const void *data, size_t size_bytes, unsigned commands,
                                uint64_t unknown) {
    struct outcome outcome = read_bytes(channel, data, size_bytes);
    if (outcome.status != SKEP_OK) fail_msg("refused: %s", outcome.why);
    assert_int_equal(outcome.commands, commands);
    assert_int_equal(outcome.unknown, unknown);
}

static inline void assert_refused(enum skep_channel channel, const void *data, size_t size_bytes, const char *why) {
    struct outcome outcome = read_bytes(channel, data, size_bytes);
    assert_int_equal(outcome.status, SKEP_EPROTO);
    assert_string_equal(outcome.why, why);
}

#define READS(channel, literal, commands, unknown) \
    assert_reads(SKEP_CHANNEL_##channel, literal, sizeof(literal) - 1, commands, unknown)
#define REFUSED(channel, literal, why) assert_refused(SKEP_CHANNEL_##channel, literal, sizeof(literal) - 1, why)

#define CMD \
    "\xa3"  \
    "cmd"
#define READY  \
    CMD "\xa5" \
        "ready"
#define REFUSED_COMMAND \
    CMD "\xa7"          \
        "refused"
#define INCREMENT \
    CMD "\xb5"    \
        "incrementRequestCount"
#define COUNT  \
    CMD "\xae" \
        "incrementCount"
#define MESSAGE \
    CMD "\xa7"  \
        "message"
#define STOP   \
    CMD "\xa4" \
        "stop"

#endif
