/* SPDX-License-Identifier: MIT
 * Questions and news without a loop: ask.h and news_reader.h, over a blocking socket that speaks SP. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/ask.h"
#include "transport/news_reader.h"
#include "transport/private.h"
#include "transport/sp.h"

enum { GREETING_MS = 10000 /* for the broker to greet */ };

typedef void command_cb(const struct skep_command *command, void *context);

/* A connection to the broker */
struct skep__blocking {
    int fd;
    struct skep_reader reader;
    struct skep_frame frame; /* the latest that came */
    uint32_t number;         /* of the latest question, if it asks */
};

/* --- bytes, by a deadline --- */

static uint64_t after(unsigned timeout_ms) {
    return uv_hrtime() + timeout_ms * UINT64_C(1000000);
}

static int wait_for(int fd, short events, uint64_t deadline_ns) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        uint64_t now_ns = uv_hrtime();
        uint64_t left_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000000 + 1 : 0;
        int n = poll(&poll_fd, 1, (int)left_ms);
        if (n > 0) return SKEP_OK;
        if (n == 0) return SKEP_ETIMEDOUT;
        if (errno != EINTR) return skep_status_of_errno(errno);
    }
}

/* A wait that ends when a part has left ends the channel: what follows could not be told from the rest. */
static int write_all(int fd, const void *data, size_t size_bytes, uint64_t deadline_ns) {
    const char *from = data, *end = from + size_bytes;
    int status = SKEP_OK;
    while (from < end && status == SKEP_OK) {
        ssize_t n = send(fd, from, (size_t)(end - from), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) from += n;
        else if (errno == EAGAIN) status = wait_for(fd, POLLOUT, deadline_ns);
        else if (errno != EINTR) status = SKEP_ECLOSED;
    }
    return status == SKEP_ETIMEDOUT && from > (const char *)data ? SKEP_ECLOSED : status;
}

/* What has come is taken even if the deadline has passed. */
static int read_all(int fd, void *data, size_t size_bytes, uint64_t deadline_ns) {
    char *to = data;
    int status = SKEP_OK;
    while (size_bytes > 0 && status == SKEP_OK) {
        ssize_t n = recv(fd, to, size_bytes, MSG_DONTWAIT);
        if (n > 0) to += n, size_bytes -= (size_t)n;
        else if (n < 0 && errno == EAGAIN) status = wait_for(fd, POLLIN, deadline_ns);
        else if (n == 0 || errno != EINTR) status = SKEP_ECLOSED;
    }
    return status;
}

/* --- frames --- */

static int greet(struct skep__blocking *channel, enum skep__sp_protocol own) {
    unsigned char ours[SKEP__SP_GREETING_BYTES], theirs[SKEP__SP_GREETING_BYTES], right[SKEP__SP_GREETING_BYTES];
    uint64_t deadline_ns = after(GREETING_MS);
    skep__sp_greeting(ours, own);
    skep__sp_greeting(right, skep__sp_counterpart(own));
    int status = write_all(channel->fd, ours, sizeof ours, deadline_ns);
    if (status == SKEP_OK) status = read_all(channel->fd, theirs, sizeof theirs, deadline_ns);
    if (status != SKEP_OK) return status;
    return memcmp(theirs, right, sizeof right) == 0 ? SKEP_OK : SKEP_EPROTO;
}

static int read_size(struct skep__blocking *channel, uint64_t deadline_ns, size_t *size_bytes) {
    unsigned char head[SKEP__SP_HEAD_BYTES], right[SKEP__SP_HEAD_BYTES];
    uint64_t size = 0;
    int status = read_all(channel->fd, head, sizeof head, deadline_ns);
    if (status != SKEP_OK) return status;
    for (unsigned i = 1; i < sizeof head; i++) size = size << 8 | head[i];
    skep__sp_head(right, (size_t)size);
    if (head[0] != right[0] || size > SKEP_MAX_FRAME) return SKEP_EPROTO;
    *size_bytes = (size_t)size;
    return SKEP_OK;
}

/* Frames are read one at a time, so that the descriptor is readable while there are others. A wait that ends in the
 * midst of one ends the channel: what follows could not be told from it. */
static int read_frame(struct skep__blocking *channel, uint64_t deadline_ns) {
    size_t size_bytes;
    int status = wait_for(channel->fd, POLLIN, deadline_ns);
    if (status != SKEP_OK) return status;
    deadline_ns += GREETING_MS * UINT64_C(1000000); /* what has begun is let come */
    status = read_size(channel, deadline_ns, &size_bytes);
    skep__frame_clear(&channel->frame);
    if (status == SKEP_OK) status = skep__frame_extend(&channel->frame, size_bytes);
    if (status == SKEP_OK) status = read_all(channel->fd, channel->frame.data, size_bytes, deadline_ns);
    return status == SKEP_ETIMEDOUT ? SKEP_ECLOSED : status;
}

/* --- channels --- */

static void free_channel(struct skep__blocking **out) {
    struct skep__blocking *channel = *out;
    if (channel == NULL) return;
    if (channel->fd >= 0) close(channel->fd);
    skep__frame_free(&channel->frame);
    skep__reader_free(&channel->reader);
    free(channel);
    *out = NULL;
}

/* With a full backlog, as of a broker that stands still, connect waits; no longer than for the greeting. */
static int connect_to(struct skep__blocking *channel, const char *url) {
    static const struct timeval longest = {.tv_sec = GREETING_MS / 1000};
    struct sockaddr_un address;
    int status = skep__ipc_address(url, &address);
    if (status != SKEP_OK) return status;
    channel->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (channel->fd < 0) return skep_status_of_errno(errno);
    setsockopt(channel->fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    int error;
    do error = connect(channel->fd, (const struct sockaddr *)&address, sizeof address);
    while (error != 0 && errno == EINTR);
    if (error == 0) return SKEP_OK;
    if (errno == EAGAIN) return SKEP_ETIMEDOUT;
    return errno == ENOENT ? SKEP_ECLOSED : skep_status_of_errno(errno);
}

static int new_channel(struct skep__blocking **out, enum skep_channel kind, enum skep__sp_protocol own,
                       const char *url) {
    struct skep__blocking *channel = calloc(1, sizeof *channel);
    if (channel == NULL) return SKEP_ENOMEM;
    channel->fd = -1;
    int status = skep__reader_init(&channel->reader, kind);
    if (status == SKEP_OK) status = connect_to(channel, url);
    if (status == SKEP_OK) status = greet(channel, own);
    if (status == SKEP_OK) *out = channel;
    else free_channel(&channel);
    return status;
}

/* --- ask.h --- */

int skep__asker_new(skep__asker **asker, const char *url) {
    return new_channel(asker, SKEP_CHANNEL_ANSWER, SKEP__SP_REQ, url);
}

void skep__asker_free(skep__asker **asker) {
    free_channel(asker);
}

/* Head and number come before the command, in the same frame buffer. */
static int send_question(skep__asker *asker, const struct skep_command *command, uint64_t deadline_ns) {
    enum { BEFORE = SKEP__SP_HEAD_BYTES + SKEP__SP_NUMBER_BYTES };
    struct skep_frame *frame = &asker->frame;
    skep__frame_clear(frame);
    int status = skep__frame_extend(frame, BEFORE);
    if (status == SKEP_OK) status = skep__frame_add(frame, command);
    if (status != SKEP_OK) return status;
    unsigned char *before = (unsigned char *)frame->data;
    skep__sp_head(before, frame->size_bytes - SKEP__SP_HEAD_BYTES);
    skep__sp_put_number(before + SKEP__SP_HEAD_BYTES, ++asker->number);
    return write_all(asker->fd, frame->data, frame->size_bytes, deadline_ns);
}

/* Who takes commands */
struct taker {
    command_cb *callback;
    void *context;
    int failed; /* status of a failed answer */
    char *why;  /* its reason; NULL: the commands are no answer */
};

static int take(void *context, const struct skep_command *command) {
    struct taker *taker = context;
    if (taker->why == NULL || command->id != SKEP_COMMAND_failed) {
        taker->callback(command, taker->context);
        return SKEP_OK;
    }
    const struct skep_bytes *reason = &command->failed.reason;
    taker->failed = (int)command->failed.status;
    snprintf(taker->why, SKEP_MAX_REASON + 1, "%.*s", (int)reason->size_bytes, reason->data);
    return SKEP_OK;
}

/* An answer to an earlier question is passed over; but not for longer than so. */
static int await_answer(skep__asker *asker, uint64_t deadline_ns) {
    const struct skep_frame *frame = &asker->frame;
    unsigned char number[SKEP__SP_NUMBER_BYTES];
    skep__sp_put_number(number, asker->number);
    for (;;) {
        int status = read_frame(asker, deadline_ns);
        if (status != SKEP_OK) return status;
        if (frame->size_bytes >= SKEP__SP_NUMBER_BYTES && memcmp(frame->data, number, SKEP__SP_NUMBER_BYTES) == 0)
            return SKEP_OK;
        if (uv_hrtime() >= deadline_ns) return SKEP_ETIMEDOUT;
    }
}

int skep__ask(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms, command_cb *callback,
              void *context, char why[SKEP_MAX_REASON + 1]) {
    struct taker taker = {.callback = callback, .context = context, .why = why};
    uint64_t deadline_ns = after(timeout_ms);
    why[0] = '\0';
    int status = send_question(asker, command, deadline_ns);
    if (status == SKEP_OK) status = await_answer(asker, deadline_ns);
    size_t size_bytes = status == SKEP_OK ? asker->frame.size_bytes - SKEP__SP_NUMBER_BYTES : 0;
    if (size_bytes > 0) /* else it is a list with nothing in it */
        status = skep__reader_read(&asker->reader, asker->frame.data + SKEP__SP_NUMBER_BYTES, size_bytes, take, &taker);
    if (status == SKEP_OK) status = taker.failed;
    if (status != SKEP_OK && why[0] == '\0') snprintf(why, SKEP_MAX_REASON + 1, "%s", skep_strerror(status));
    return status;
}

/* --- news_reader.h --- */

int skep__news_reader_new(skep__news_reader **reader, const char *url) {
    return new_channel(reader, SKEP_CHANNEL_NEWS, SKEP__SP_SUB, url);
}

void skep__news_reader_free(skep__news_reader **reader) {
    free_channel(reader);
}

int skep__news_reader_fd(const skep__news_reader *reader) {
    return reader->fd;
}

int skep__news_read(skep__news_reader *reader, unsigned timeout_ms, command_cb *callback, void *context) {
    struct taker taker = {.callback = callback, .context = context};
    int status = read_frame(reader, after(timeout_ms));
    if (status != SKEP_OK) return status;
    return skep__reader_read(&reader->reader, reader->frame.data, reader->frame.size_bytes, take, &taker);
}
