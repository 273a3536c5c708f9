/* SPDX-License-Identifier: MIT
 * Workers' output. A worker that floods its pipes is read more slowly: then it waits in its own write, and neither the
 * broker nor its other workers notice. */
#include <errno.h>
#include <fcntl.h>

#include "worker/bucket.h"
#include "worker/private.h"
#include "worker/splitter.h"

enum {
    READ_BYTES = 8192,               /* in one turn of the loop */
    LINE_COST_BYTES = 64,            /* a line costs the broker something, however short it is */
    LAST_BYTES = 256 * 1024,         /* read after the end; a child of the worker's may go on writing */
    PARTIAL_MS = 1000,               /* a line that has begun is shown after this time: it may be a prompt */
    SLOWED_MS = 1000,                /* a worker that is slowed down for this long gets an error event, */
    SLOWED_SAID_EVERY_MS = 60 * 1000 /* though not more often than this */
};

struct stream {
    struct skep__output *output;
    int number; /* 1: stdout, 2: stderr */
    int fd;     /* -1: closed */
    uv_poll_t poll;
    struct skep__splitter splitter;
    struct skep__alarm partial;
};

/* Freed with its last handle. */
struct skep__output {
    skep_child *child; /* NULL: it has let go of its output */
    int open_handles;
    struct stream streams[2];
    struct skep__bucket bucket;
    struct skep__alarm resume;
    uint64_t time_ms;        /* wall clock of the latest read */
    uint64_t slowed_ms;      /* broker's time since when it has been slowed down again and again; 0: it is not */
    uint64_t slowed_said_ms; /* 0: never */
};

/* --- lines --- */

static void take_line(void *context, const char *data, size_t size_bytes, uint64_t cut_bytes) {
    const struct stream *stream = context;
    skep_child *child = stream->output->child;
    skep_cluster *cluster = child->cluster;
    skep_log_line line = {.child = child,
                          .stream = stream->number,
                          .data = data,
                          .size_bytes = size_bytes,
                          .cut_bytes = cut_bytes,
                          .time_ms = stream->output->time_ms};
    skep__log_keep(cluster, &line);
    if (cluster->workers->log_callback != NULL)
        cluster->workers->log_callback(cluster, &line, cluster->workers->log_context);
}

static void end_line(struct stream *stream) {
    stream->output->time_ms = skep__wall_ms();
    skep__split_end(&stream->splitter, take_line, stream);
}

static void partial_waited(struct skep__alarm *alarm) {
    end_line(SKEP_CONTAINER(alarm, struct stream, partial));
}

/* Without memory for the alarm the line waits for its end. */
static void await_rest(struct stream *stream) {
    struct skep__clock *clock = stream->output->child->cluster->clock;
    skep__alarm_stop(&stream->partial);
    if (!skep__split_has_rest(&stream->splitter)) return;
    int status = skep__alarm_set(clock, &stream->partial, PARTIAL_MS, partial_waited);
    (void)status;
}

/* --- reading --- */

static void handle_closed(uv_handle_t *handle) {
    struct skep__output *output = handle->data;
    if (--output->open_handles == 0 && output->child == NULL) free(output);
}

static void close_stream(struct stream *stream) {
    if (stream->fd < 0) return;
    skep__alarm_stop(&stream->partial);
    uv_poll_stop(&stream->poll);
    uv_close((uv_handle_t *)&stream->poll, handle_closed);
    close(stream->fd);
    stream->fd = -1;
}

/* Returns what read returns; what it cost is taken from the bucket. */
static ssize_t read_some(struct stream *stream) {
    struct skep__output *output = stream->output;
    char data[READ_BYTES];
    ssize_t n = read(stream->fd, data, sizeof data);
    if (n <= 0) return n;
    output->time_ms = skep__wall_ms();
    size_t lines = skep__split(&stream->splitter, data, (size_t)n, take_line, stream);
    skep__bucket_take(&output->bucket, skep__clock_ms(output->child->cluster->clock),
                      (uint64_t)n + lines * LINE_COST_BYTES);
    return n;
}

static void readable(uv_poll_t *poll, int status, int events);

static void watch(struct stream *stream) {
    if (stream->fd >= 0) uv_poll_start(&stream->poll, UV_READABLE, readable);
}

static void resume(struct skep__alarm *alarm) {
    struct skep__output *output = SKEP_CONTAINER(alarm, struct skep__output, resume);
    for (int i = 0; i < 2; i++) {
        watch(&output->streams[i]);
        await_rest(&output->streams[i]);
    }
}

/* The event explains why this worker blocks in its writes. */
static void say_slowed(struct skep__output *output, uint64_t now_ms) {
    if (output->slowed_ms == 0) output->slowed_ms = now_ms;
    if (now_ms - output->slowed_ms < SLOWED_MS) return;
    if (!skep__may_tell(now_ms, SLOWED_SAID_EVERY_MS, &output->slowed_said_ms)) return;
    skep__emit_error(output->child->cluster, output->child,
                     "it writes more than %d KiB a second to stdout and stderr, and is slowed down",
                     SKEP__BUCKET_RATE / 1024);
}

/* What it began and could not write may come any time: no line ends because of the pause. */
static void pause_if_empty(struct skep__output *output) {
    struct skep__clock *clock = output->child->cluster->clock;
    uint64_t wait_ms = skep__bucket_wait_ms(&output->bucket);
    if (wait_ms == 0 || skep__alarm_set(clock, &output->resume, wait_ms, resume) != SKEP_OK) return;
    for (int i = 0; i < 2; i++) {
        if (output->streams[i].fd < 0) continue;
        uv_poll_stop(&output->streams[i].poll);
        skep__alarm_stop(&output->streams[i].partial);
    }
    say_slowed(output, skep__clock_ms(clock));
}

static void readable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct stream *stream = SKEP_CONTAINER(poll, struct stream, poll);
    struct skep__output *output = stream->output;
    skep__emit_due(output->child->cluster);
    if (skep__bucket_is_full(&output->bucket, skep__clock_ms(output->child->cluster->clock))) output->slowed_ms = 0;
    ssize_t n = read_some(stream);
    bool goes_on = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (goes_on) {
        await_rest(stream);
        pause_if_empty(output);
        return;
    }
    end_line(stream);
    close_stream(stream);
}

/* --- life --- */

static int open_stream(struct skep__output *output, int i, int fd) {
    struct stream *stream = &output->streams[i];
    int error = uv_poll_init(output->child->cluster->loop, &stream->poll, fd);
    if (error != 0) return skep_status_of_errno(-error);
    output->open_handles++;
    stream->poll.data = output;
    stream->fd = fd;
    uv_unref((uv_handle_t *)&stream->poll);
    return SKEP_OK;
}

static void release(struct skep__output *output) {
    skep__alarm_stop(&output->resume);
    for (int i = 0; i < 2; i++) close_stream(&output->streams[i]);
    output->child = NULL;
    if (output->open_handles == 0) free(output);
}

static struct skep__output *allocate(skep_child *child) {
    struct skep__output *output = calloc(1, sizeof *output);
    if (output == NULL) return NULL;
    output->child = child;
    output->bucket = skep__bucket_full(skep__clock_ms(child->cluster->clock));
    for (int i = 0; i < 2; i++) {
        output->streams[i].output = output;
        output->streams[i].number = i + 1;
        output->streams[i].fd = -1;
    }
    return output;
}

int skep__output_new(skep_child *child, const int fds[2]) {
    struct skep__output *output = allocate(child);
    int status = output != NULL ? SKEP_OK : SKEP_ENOMEM;
    for (int i = 0; i < 2; i++) {
        if (status == SKEP_OK) status = open_stream(output, i, fds[i]);
        if (status != SKEP_OK) close(fds[i]);
    }
    if (status != SKEP_OK) {
        if (output != NULL) release(output);
        return status;
    }
    for (int i = 0; i < 2; i++) watch(&output->streams[i]);
    child->process->output = output;
    return SKEP_OK;
}

static void read_rest(struct stream *stream) {
    ssize_t n = 0;
    for (size_t left = LAST_BYTES; left > 0; left -= (size_t)n < left ? (size_t)n : left) {
        do n = read_some(stream);
        while (n < 0 && errno == EINTR);
        if (n <= 0) break;
    }
    end_line(stream);
}

void skep__output_finish(skep_child *child) {
    struct skep__output *output = child->process->output;
    for (int i = 0; output != NULL && i < 2; i++)
        if (output->streams[i].fd >= 0) read_rest(&output->streams[i]);
    skep__output_close(child);
}

void skep__output_close(skep_child *child) {
    struct skep__output *output = child->process->output;
    child->process->output = NULL;
    if (output != NULL) release(output);
}

void skep_on_log(skep_cluster *cluster, skep_log_cb callback, void *context) {
    cluster->workers->log_callback = callback;
    cluster->workers->log_context = context;
}
