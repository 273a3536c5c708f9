/* SPDX-License-Identifier: MIT
 * One connection on the loop: frames in, outgoings out. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/loop.h"

enum {
    READ_BYTES = 256 * 1024,      /* received at once: as much as a peer's socket buffer holds */
    SMALL_BYTES = 4096,           /* the same without memory */
    SEND_BUFFER = 2 * 256 * 1024, /* asked for: a full frame leaves in one piece. The kernel gives what it may */
    VECTORS = 16,
    RESET = -2,                  /* what receive returns of a broken connection */
    LATE_TICKS = 40,             /* 10 s, in ticks of this loop, so that its own standing still ends nobody */
    ALL_BYTES = 16 * 1024 * 1024 /* what a process has sent by its end is less; another may hold its socket, and go on
                                    writing */
};

/* --- who is late --- */

/* A greeting or a head that has come in part: honest peers send each in one piece. A peer that has not accepted us yet
 * is not asked for anything. */
static bool is_head_due(const struct skep__pipe *pipe) {
    return pipe->dialed ? pipe->reader.head_bytes > 0 : skep__sp_is_between(&pipe->reader);
}

static void forgive(struct skep__pipe *pipe) {
    if (pipe->is_late) LIST_REMOVE(pipe, late_entry);
    pipe->is_late = false;
}

static void note_late(struct skep__pipe *pipe) {
    /* With answers that it has not read; or it has closed the half that it reads from: nothing else tells of that. */
    bool keeps_waiting = (pipe->hurries && !STAILQ_EMPTY(&pipe->outgoing)) || pipe->broken;
    if (!keeps_waiting && !is_head_due(pipe)) forgive(pipe);
    else if (!pipe->is_late) {
        pipe->is_late = true;
        pipe->ticks = 0;
        LIST_INSERT_HEAD(&pipe->hub->late, pipe, late_entry);
        skep__loop_hub_watch(pipe->hub);
    }
}

/* --- writing --- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct skep__pipe *pipe) {
    bool writes = !STAILQ_EMPTY(&pipe->outgoing) && !pipe->broken;
    int events = writes ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    if (pipe->fd < 0 || events == pipe->watched) return;
    pipe->watched = events;
    uv_poll_start(&pipe->poll, events, on_poll);
}

static void shut_if_empty(struct skep__pipe *pipe) {
    if (pipe->shut && pipe->fd >= 0 && STAILQ_EMPTY(&pipe->outgoing)) shutdown(pipe->fd, SHUT_WR);
}

static size_t size_of(const struct skep__outgoing *outgoing) {
    return outgoing->head_bytes + outgoing->body_bytes;
}

/* What of an outgoing is still to be written, as one or two vectors. */
static unsigned add_vectors(struct iovec *vectors, const struct skep__outgoing *outgoing, size_t written_bytes) {
    const char *head = (const char *)outgoing->head;
    unsigned n = 0;
    size_t of_body = 0;
    if (written_bytes < outgoing->head_bytes)
        vectors[n++] = (struct iovec){(void *)(head + written_bytes), outgoing->head_bytes - written_bytes};
    else of_body = written_bytes - outgoing->head_bytes;
    if (of_body < outgoing->body_bytes)
        vectors[n++] = (struct iovec){(void *)(outgoing->body + of_body), outgoing->body_bytes - of_body};
    return n;
}

static unsigned gather(const struct skep__pipe *pipe, struct iovec vectors[VECTORS]) {
    const struct skep__outgoing *outgoing;
    size_t written_bytes = pipe->written_bytes;
    unsigned n = 0;
    STAILQ_FOREACH(outgoing, &pipe->outgoing, entry) {
        if (n + 2 > VECTORS) break;
        n += add_vectors(vectors + n, outgoing, written_bytes);
        written_bytes = 0;
    }
    return n;
}

/* How many bytes were taken; -1: no more are, now or ever. */
static ssize_t write_vectors(struct skep__pipe *pipe, const struct iovec *vectors, size_t count) {
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = count};
    ssize_t n;
    do n = sendmsg(pipe->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) pipe->broken = true;
    return n;
}

STAILQ_HEAD(outgoings, skep__outgoing);

static void take_written(struct skep__pipe *pipe, size_t n, struct outgoings *written) {
    struct skep__outgoing *first;
    pipe->written_bytes += n;
    pipe->outgoing_bytes -= n;
    while ((first = STAILQ_FIRST(&pipe->outgoing)) != NULL && pipe->written_bytes >= size_of(first)) {
        pipe->written_bytes -= size_of(first);
        STAILQ_REMOVE_HEAD(&pipe->outgoing, entry);
        STAILQ_INSERT_TAIL(written, first, entry);
    }
}

static void write_out(struct skep__pipe *pipe, struct outgoings *written) {
    struct iovec vectors[VECTORS];
    while (pipe->fd >= 0 && !pipe->broken && !STAILQ_EMPTY(&pipe->outgoing)) {
        ssize_t n = write_vectors(pipe, vectors, gather(pipe, vectors));
        if (n < 0) break;
        if (!is_head_due(pipe)) pipe->ticks = 0; /* progress, unless a head is incomplete */
        take_written(pipe, (size_t)n, written);
    }
    shut_if_empty(pipe);
    watch(pipe);
    if (pipe->fd >= 0) note_late(pipe);
}

static void all_done(struct outgoings *outgoings, bool left) {
    struct skep__outgoing *outgoing;
    while ((outgoing = STAILQ_FIRST(outgoings)) != NULL) {
        STAILQ_REMOVE_HEAD(outgoings, entry);
        outgoing->done(outgoing, left);
    }
}

void skep__pipe_write(struct skep__pipe *pipe) {
    struct outgoings written = STAILQ_HEAD_INITIALIZER(written);
    if (STAILQ_EMPTY(&pipe->outgoing)) return;
    write_out(pipe, &written);
    all_done(&written, true);
}

/* If others wait before it, the socket is full, and their done is not for the sender to be called in. */
bool skep__pipe_send(struct skep__pipe *pipe, struct skep__outgoing *outgoing) {
    struct outgoings written = STAILQ_HEAD_INITIALIZER(written);
    bool alone = STAILQ_EMPTY(&pipe->outgoing);
    STAILQ_INSERT_TAIL(&pipe->outgoing, outgoing, entry);
    pipe->outgoing_bytes += size_of(outgoing);
    if (alone) write_out(pipe, &written);
    return !STAILQ_EMPTY(&written);
}

size_t skep__pipe_try(struct skep__pipe *pipe, const struct iovec *vectors, size_t count) {
    ssize_t n = pipe->broken || !STAILQ_EMPTY(&pipe->outgoing) ? -1 : write_vectors(pipe, vectors, count);
    return n > 0 ? (size_t)n : 0;
}

void skep__pipe_send_rest(struct skep__pipe *pipe, struct skep__outgoing *outgoing, size_t written_bytes) {
    STAILQ_INSERT_TAIL(&pipe->outgoing, outgoing, entry);
    pipe->outgoing_bytes += size_of(outgoing) - written_bytes;
    pipe->written_bytes = written_bytes;
    watch(pipe);
    note_late(pipe);
}

bool skep__pipe_unsend(struct skep__pipe *pipe, struct skep__outgoing *outgoing) {
    if (STAILQ_FIRST(&pipe->outgoing) == outgoing && pipe->written_bytes > 0) return false;
    STAILQ_REMOVE(&pipe->outgoing, outgoing, skep__outgoing, entry);
    pipe->outgoing_bytes -= size_of(outgoing);
    watch(pipe);
    note_late(pipe);
    return true;
}

void skep__pipe_break(struct skep__pipe *pipe) {
    pipe->broken = true;
    shutdown(pipe->fd, SHUT_RDWR);
}

void skep__pipe_shut(struct skep__pipe *pipe) {
    pipe->shut = true;
    shut_if_empty(pipe);
}

/* --- reading --- */

static void greet(struct skep__pipe *pipe) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    skep__sp_greeting(greeting, pipe->protocol);
    pipe->broken = send(pipe->fd, greeting, sizeof greeting, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof greeting;
}

/* So that a subscriber that has been greeted gets all that is published from then on. */
static bool greets_last(const struct skep__pipe *pipe) {
    return pipe->protocol == SKEP__SP_PUB;
}

/* What has come of a frame, if the peer may send any; that it was whole on arrival costs nothing here. Others that are
 * cut may be in the midst of their own events: they end on a later turn. */
static int check_unfinished(struct skep__pipe *pipe) {
    struct skep__pipe *other;
    size_t room_bytes = pipe->reader.room_bytes;
    if (room_bytes > 0 && pipe->events->received == NULL) return SKEP_EPROTO;
    if (pipe->sender == NULL || room_bytes == pipe->unfinished_bytes) return SKEP_OK;
    int status = skep__sender_count(pipe);
    while (status == SKEP_OK && (other = skep__sender_excess(pipe->hub)) != NULL) skep__pipe_break(other);
    return status;
}

static int next_frame(struct skep__pipe *pipe, const char **data, size_t *left_bytes, struct skep_bytes *frame) {
    int status = skep__sp_next(&pipe->reader, data, left_bytes, frame);
    bool again = status == SKEP_ENOMEM && skep__hub_lacks(&pipe->hub->common);
    return again ? skep__sp_next(&pipe->reader, data, left_bytes, frame) : status;
}

/* Errors: SKEP_EPROTO, SKEP_ENOMEM: the pipe is to be ended. */
static int take_bytes(struct skep__pipe *pipe, const char *data, size_t size_bytes) {
    struct skep_bytes frame;
    int status = SKEP_OK;
    bool before = pipe->reader.greeted;
    while (status == SKEP_OK && pipe->fd >= 0) {
        status = next_frame(pipe, &data, &size_bytes, &frame);
        bool greets = !before && pipe->reader.greeted && (status == SKEP_OK || status == SKEP_EAGAIN);
        before = pipe->reader.greeted;
        if (greets && greets_last(pipe)) greet(pipe);
        if (greets && pipe->events->greeted != NULL) pipe->events->greeted(pipe);
        if (status == SKEP_OK && pipe->events->received == NULL) status = SKEP_EPROTO;
        if (status == SKEP_OK && pipe->fd >= 0) pipe->events->received(pipe, frame.data, frame.size_bytes);
    }
    if (status == SKEP_EAGAIN) status = pipe->fd >= 0 ? check_unfinished(pipe) : SKEP_OK;
    return status;
}

/* Receives behind what has come of a frame, and what follows it into the buffer. 0: the end of file; -1: nothing now;
 * RESET: the connection is broken. */
static ssize_t receive(struct skep__pipe *pipe, char *buffer, size_t room_bytes, size_t *of_frame) {
    struct iovec vectors[2];
    struct msghdr message = {.msg_iov = vectors};
    char *place;
    bool rest = true;
    size_t missing = skep__sp_room(&pipe->reader, &place, &rest);
    if (missing > 0) vectors[message.msg_iovlen++] = (struct iovec){place, missing};
    if (rest) vectors[message.msg_iovlen++] = (struct iovec){buffer, room_bytes};
    ssize_t n;
    do n = recvmsg(pipe->fd, &message, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? -1 : RESET;
    *of_frame = (size_t)n < missing ? (size_t)n : missing;
    return n;
}

static void end(struct skep__pipe *pipe, bool all_read) {
    if (pipe->fd < 0) return;
    pipe->events->ended(pipe, all_read);
    skep__pipe_close(pipe);
}

/* Reads once, and takes what it has read off the limit. True if there may be more. */
static bool read_once(struct skep__pipe *pipe, char *buffer, size_t room_bytes, size_t *limit_bytes) {
    size_t of_frame;
    ssize_t n = receive(pipe, buffer, room_bytes, &of_frame);
    if (n == -1) return false;
    if (n <= 0) {
        end(pipe, n == 0 && !pipe->broken); /* writing may have met the error that reading would show */
        return false;
    }
    *limit_bytes -= (size_t)n < *limit_bytes ? (size_t)n : *limit_bytes;
    skep__sp_filled(&pipe->reader, of_frame);
    if (take_bytes(pipe, buffer, (size_t)n - of_frame) != SKEP_OK) end(pipe, false);
    if (pipe->fd >= 0) note_late(pipe);
    return pipe->fd >= 0;
}

/* Within a callback of another pipe the hub's buffer is in use: what lies there is still being read. */
static void read_pipe(struct skep__pipe *pipe, size_t limit_bytes) {
    char small[SMALL_BYTES];
    struct skep__loop_hub *hub = pipe->hub;
    if (pipe->reading) return;
    if (hub->buffer == NULL) hub->buffer = malloc(READ_BYTES);
    char *large = hub->buffer_used ? NULL : hub->buffer;
    if (large != NULL) hub->buffer_used = true;
    pipe->reading = true;
    for (bool more = true; more && limit_bytes > 0;)
        more = read_once(pipe, large != NULL ? large : small, large != NULL ? READ_BYTES : sizeof small, &limit_bytes);
    pipe->reading = false;
    if (large != NULL) hub->buffer_used = false;
}

void skep__pipe_read_all(struct skep__pipe *pipe) {
    if (pipe->fd >= 0) read_pipe(pipe, ALL_BYTES);
}

/* libuv stops polling a socket with an error, such as a peer's that closed without reading everything: what it sent
 * before may still be there. */
static void on_poll(uv_poll_t *poll, int status, int events) {
    struct skep__pipe *pipe = poll->data;
    if (events & UV_WRITABLE) skep__pipe_write(pipe);
    if (pipe->fd >= 0 && (status < 0 || (events & UV_READABLE))) read_pipe(pipe, status < 0 ? ALL_BYTES : 1);
    if (status < 0) end(pipe, false);
}

/* --- making and closing --- */

/* What fails leaves nothing behind. */
static int join_hub(struct skep__pipe *pipe, struct skep__loop_hub *hub, const struct skep__end *end) {
    pipe->hub = hub;
    pipe->peer = (struct skep__peer){.pipe = ++hub->next_pipe, .pid = end->pid, .uid = end->uid};
    int status = end->dialed ? SKEP_OK : skep__sender_join(pipe);
    if (status != SKEP_OK) return status;
    status = skep_status_of_errno(-uv_poll_init(hub->common.loop, &pipe->poll, end->fd));
    if (status != SKEP_OK) skep__sender_leave(pipe);
    return status;
}

int skep__pipe_new(struct skep__pipe **out, struct skep__loop_hub *hub, const struct skep__end *end,
                   enum skep__sp_protocol protocol, const struct skep__pipe_events *events, void *owner) {
    static const int buffer_bytes = SEND_BUFFER;
    bool sends = protocol != SKEP__SP_PULL && protocol != SKEP__SP_SUB;
    struct skep__pipe *pipe = skep__hub_alloc(&hub->common, sizeof *pipe);
    int status = pipe != NULL ? join_hub(pipe, hub, end) : SKEP_ENOMEM;
    if (status != SKEP_OK) {
        close(end->fd);
        free(pipe);
        return status;
    }
    pipe->events = events;
    pipe->owner = owner;
    pipe->fd = end->fd;
    pipe->dialed = end->dialed;
    pipe->since_ms = uv_now(hub->common.loop);
    pipe->protocol = protocol;
    pipe->reader.expects = skep__sp_counterpart(protocol);
    pipe->poll.data = pipe;
    STAILQ_INIT(&pipe->outgoing);
    uv_unref((uv_handle_t *)&pipe->poll);
    if (sends) setsockopt(pipe->fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    if (!greets_last(pipe)) greet(pipe);
    watch(pipe);
    note_late(pipe);
    *out = pipe;
    return SKEP_OK;
}

static void closed(uv_handle_t *handle) {
    struct skep__pipe *pipe = handle->data;
    skep__sp_free(&pipe->reader);
    free(pipe);
}

void skep__pipe_close(struct skep__pipe *pipe) {
    struct outgoings unsent = STAILQ_HEAD_INITIALIZER(unsent);
    if (pipe->fd < 0) return;
    uv_poll_stop(&pipe->poll);
    uv_close((uv_handle_t *)&pipe->poll, closed);
    close(pipe->fd);
    pipe->fd = -1;
    forgive(pipe);
    skep__sender_leave(pipe);
    STAILQ_CONCAT(&unsent, &pipe->outgoing);
    all_done(&unsent, false);
}

/* --- who is overdue --- */

static struct skep__pipe *find_overdue(const struct skep__loop_hub *hub) {
    struct skep__pipe *pipe;
    LIST_FOREACH(pipe, &hub->late, late_entry) if (pipe->ticks >= LATE_TICKS) break;
    return pipe;
}

/* What its owner does when it learns of the end may close others that are late: so the search begins again. */
void skep__pipes_end_overdue(struct skep__loop_hub *hub) {
    struct skep__pipe *pipe;
    LIST_FOREACH(pipe, &hub->late, late_entry) pipe->ticks++;
    while ((pipe = find_overdue(hub)) != NULL) {
        if (pipe->reader.why == NULL) pipe->reader.why = "does not complete what it has begun";
        end(pipe, false);
    }
}
