/* SPDX-License-Identifier: MIT
 * What is said to and by JetStream: subjects, headers, answers. Bytes in, structs out; no connection is needed. */
#ifndef SKEP_JOBS_NATS_WORDS_H
#define SKEP_JOBS_NATS_WORDS_H

#include "jobs/store.h"

enum {
    SKEP__STREAM_CLASSES = 3,                      /* of priorities: before the middle, the middle, behind it */
    SKEP__STREAM_NAME = 32,                        /* bytes of the name of a stream */
    SKEP__TOKEN_BYTES = 3 * SKEP_MAX_NAME + 1,     /* of a queue's name in a subject */
    SKEP__SUBJECT_BYTES = SKEP__TOKEN_BYTES + 128, /* of what is made of it */
    SKEP__META_BYTES = 160
};

/* Letters of the classes, in their order */
extern const char skep__classes[SKEP__STREAM_CLASSES + 1];

unsigned skep__class_of(uint8_t priority);

/* The name of a queue as part of a subject: what NATS would not take is =XX. */
void skep__token_make(const char *name, char token[SKEP__TOKEN_BYTES]);

/* The other way. False: it is none. */
bool skep__token_read(const char *token, size_t size_bytes, char name[SKEP_MAX_NAME + 1]);

/* What a message says of its job besides the data; times since 1970, 0: none */
struct skep__meta {
    uint8_t priority;
    uint16_t attempts;
    uint32_t lease_ms;
    uint64_t accepted_ms, due_ms, expires_ms;
};

void skep__meta_write(const struct skep__meta *meta, char text[SKEP__META_BYTES]);

/* False: it is none. */
bool skep__meta_read(const char *text, struct skep__meta *meta);

/* What a message says of a job that was begun before, or is a dead letter */
struct skep__history {
    uint64_t id;
    uint32_t attempt, failures;
    uint16_t deaths, interruptions;
};

void skep__history_write(const struct skep__history *history, char text[SKEP__META_BYTES]);

/* False: it is none. */
bool skep__history_read(const char *text, struct skep__history *history);

/* Of a message that was fetched, from the subject by which it is acknowledged */
struct skep__delivered {
    uint64_t id;    /* its number in the stream */
    uint64_t times; /* it was delivered, this one among them */
};

/* False: it is none. */
bool skep__delivered_read(const char *reply, struct skep__delivered *delivered);

/* What a stream says of a message that was published, or the API of a request */
struct skep__publication {
    uint64_t id;
    bool duplicate;
    unsigned code;  /* 0: it is stored; else as of HTTP, */
    unsigned error; /* and JetStream's own */
    char why[200];
};

/* False: it is none. */
bool skep__publication_read(const struct skep_bytes *answer, struct skep__publication *publication);

/* Splits what stands behind the last address: HOST,HOST/NAME. Errors: SKEP_EINVAL; why is filled in. To be freed:
 * *urls. */
SKEP_MUST_USE int skep__stream_name(const char *text, char **urls, char name[SKEP__STREAM_NAME + 1],
                                    char why[SKEP_MAX_REASON + 1]);

#endif
