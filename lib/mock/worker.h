/* SPDX-License-Identifier: MIT
 * A mock worker's insides, shared by the worker*.c files. They are below in their order, from the ground up: each calls
 * those before it only. */
#ifndef SKEP_LIB_MOCK_WORKER_H
#define SKEP_LIB_MOCK_WORKER_H

#include "mock/script.h"
#include "worker/private.h"

/* A connection that is served; libuv reads and writes any stream socket as a pipe. */
struct skep__mock_stream {
    LIST_ENTRY(skep__mock_stream) entry;
    uv_pipe_t pipe;
    uv_shutdown_t shutdown;
    skep_mock_worker *mock;
    struct skep__mock_play *play;                 /* NULL: it is being closed */
    void (*echoed)(struct skep__mock_play *play); /* NULL: it does not send back what comes */
    char buffer[4096];
};

/* A rule that is being followed: for a job, a connection, a message, or once */
struct skep__mock_play {
    LIST_ENTRY(skep__mock_play) entry;
    skep_mock_worker *mock;
    const struct skep__mock_rule *rule; /* NULL: none was found */
    enum skep__mock_occasion on;
    unsigned next; /* action */
    uv_timer_t timer;
    uint64_t until_ms; /* work */

    skep_job *job;
    struct skep__mock_stream *stream;
    uint32_t from; /* who sent the message */
    uint64_t request;
    char name[SKEP_MAX_NAME + 1];
    struct skep_frame data; /* plain bytes: of the message */
};

struct skep_mock_worker {
    skep_worker *worker;
    const skep_mock_script *script;
    uint64_t jobs, connections; /* that have come */
    bool is_ready;
    int open_handles;
    uv_timer_t hold_timer;
    LIST_HEAD(, skep__mock_play) plays;
    LIST_HEAD(, skep__mock_stream) streams;
};

/* --- worker_stream.c --- */

SKEP_MUST_USE int skep__mock_stream_new(struct skep__mock_play *play, int fd);
void skep__mock_stream_write(struct skep__mock_stream *stream, const void *data, size_t size_bytes);

/* Sends back all that comes, until the other side ends: echoed is called then, from the loop. */
void skep__mock_stream_echo(struct skep__mock_stream *stream, void (*echoed)(struct skep__mock_play *play));

/* Closes it once all has been written, or at once; the connection is finished then. */
void skep__mock_stream_close(struct skep__mock_stream *stream);
void skep__mock_stream_abort(struct skep__mock_stream *stream);

/* --- worker_play.c --- */

/* Begins to follow the rule for a case. NULL: no memory. */
struct skep__mock_play *skep__mock_play_new(skep_mock_worker *mock, const struct skep__mock_case *c);

/* Does what comes next, as far as it goes without waiting. */
void skep__mock_play_on(struct skep__mock_play *play);

/* It has come to its end; its job, connection or message gets what is due. */
void skep__mock_play_end(struct skep__mock_play *play);

/* Gives it up: its job stays the worker's. */
void skep__mock_play_free(struct skep__mock_play *play);

#endif
