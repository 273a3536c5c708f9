/* SPDX-License-Identifier: MIT
 * Connections of a mock worker. */
#include <stdlib.h>
#include <string.h>

#include "mock/worker.h"

struct writing {
    uv_write_t request;
    char data[];
};

static void discarded(uv_handle_t *pipe) {
    free(pipe->data);
}

int skep__mock_stream_new(struct skep__mock_play *play, int fd) {
    struct skep__mock_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return SKEP_ENOMEM;
    uv_pipe_init(skep_worker_loop(play->mock->worker), &stream->pipe, 0);
    stream->play = play;
    stream->pipe.data = stream;
    stream->mock = play->mock;
    int error = uv_pipe_open(&stream->pipe, fd);
    if (error == 0) {
        play->mock->open_handles++;
        play->stream = stream;
        LIST_INSERT_HEAD(&play->mock->streams, stream, entry);
        return SKEP_OK;
    }
    uv_close((uv_handle_t *)&stream->pipe, discarded);
    return skep_status_of_errno(-error);
}

/* --- writing --- */

static void written(uv_write_t *request, int status) {
    (void)status; /* the other side has gone: reading tells, or nobody wants to know */
    free(request);
}

void skep__mock_stream_write(struct skep__mock_stream *stream, const void *data, size_t size_bytes) {
    struct writing *writing = malloc(sizeof *writing + size_bytes);
    if (writing == NULL) return;
    if (size_bytes > 0) memcpy(writing->data, data, size_bytes);
    uv_buf_t buffer = uv_buf_init(writing->data, (unsigned)size_bytes);
    if (uv_write(&writing->request, (uv_stream_t *)&stream->pipe, &buffer, 1, written) != 0) free(writing);
}

/* --- sending back --- */

static void give_buffer(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buffer) {
    struct skep__mock_stream *stream = handle->data;
    (void)suggested_bytes;
    *buffer = uv_buf_init(stream->buffer, sizeof stream->buffer);
}

static void came(uv_stream_t *pipe, ssize_t size_bytes, const uv_buf_t *buffer) {
    struct skep__mock_stream *stream = pipe->data;
    if (size_bytes > 0) skep__mock_stream_write(stream, buffer->base, (size_t)size_bytes);
    if (size_bytes < 0 && stream->play != NULL) stream->echoed(stream->play);
}

void skep__mock_stream_echo(struct skep__mock_stream *stream, void (*echoed)(struct skep__mock_play *play)) {
    stream->echoed = echoed;
    uv_read_start((uv_stream_t *)&stream->pipe, give_buffer, came);
}

/* --- closing --- */

static void closed(uv_handle_t *handle) {
    struct skep__mock_stream *stream = handle->data;
    stream->mock->open_handles--;
    free(stream);
}

void skep__mock_stream_abort(struct skep__mock_stream *stream) {
    LIST_REMOVE(stream, entry);
    uv_os_fd_t fd = -1;
    uv_fileno((uv_handle_t *)&stream->pipe, &fd);
    uv_close((uv_handle_t *)&stream->pipe, closed);
    skep_connection_finished(stream->mock->worker, fd);
}

static void shut_down(uv_shutdown_t *request, int status) {
    struct skep__mock_stream *stream = request->handle->data;
    if (status != UV_ECANCELED) skep__mock_stream_abort(stream); /* else that is under way */
}

void skep__mock_stream_close(struct skep__mock_stream *stream) {
    stream->play = NULL;
    uv_read_stop((uv_stream_t *)&stream->pipe);
    if (uv_shutdown(&stream->shutdown, (uv_stream_t *)&stream->pipe, shut_down) != 0) skep__mock_stream_abort(stream);
}
