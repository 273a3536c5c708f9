/* SPDX-License-Identifier: MIT
 * A stream on a pipe that is full, or on a terminal that is stopped, would stop the broker: what cannot be written
 * waits here, and when too much waits lines are dropped and counted. The stream itself stays blocking, since it is
 * shared with the parent process. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "command/common/utf8.h"
#include "command/run/run.h"

enum { MARK_BYTES = 64, END_MS = 1000 };

/* --- opening --- */

static int open_anew(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void passing_open(struct passing *passing, int fd) {
    struct stat about;
    passing->fd = fd;
    passing->way = PASSING_PLAIN;
    passing->on_terminal = isatty(fd);
    passing->used = 0;
    passing->dropped = 0;
    if (fstat(fd, &about) != 0) passing->way = PASSING_NONE;
    else if (S_ISSOCK(about.st_mode)) passing->way = PASSING_SOCKET;
    else if (S_ISFIFO(about.st_mode) || passing->on_terminal) passing->way = PASSING_POLL;
    int own = passing->way == PASSING_POLL ? open_anew(fd) : -1;
    if (own < 0) return;
    passing->fd = own;
    passing->way = PASSING_OWN;
}

/* --- writing --- */

/* Whole lines, as many as a pipe takes in one piece or not at all: what others write on it comes between lines. A pipe
 * that is writable has room for so much. */
static size_t piece_of(const char *data, size_t left) {
    if (left <= PIPE_BUF) return left;
    const char *feed = memrchr(data, '\n', PIPE_BUF);
    return feed != NULL ? (size_t)(feed - data) + 1 : PIPE_BUF;
}

static ssize_t write_some(const struct passing *passing, const char *data, size_t left) {
    if (passing->way == PASSING_SOCKET) return send(passing->fd, data, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (passing->way == PASSING_PLAIN) return write(passing->fd, data, left);
    if (passing->way == PASSING_OWN || stream_is_writable(passing->fd, 0))
        return write(passing->fd, data, piece_of(data, left));
    errno = EAGAIN;
    return -1;
}

static void drop_rest(struct passing *passing) {
    for (size_t i = 0; i < passing->used; i++) passing->dropped += passing->buffer[i] == '\n';
    passing->used = 0;
}

/* What cannot be written for another reason than that it would block is lost here: it is in the log none the less. */
static void give_up(struct passing *passing, int error) {
    if (error == EAGAIN || error == EINTR) return;
    drop_rest(passing);
    if (error == EPIPE || error == EBADF || error == ECONNRESET) passing->way = PASSING_NONE;
}

void passing_flush(struct passing *passing) {
    size_t written = 0;
    ssize_t n = 0;
    if (passing->way == PASSING_NONE) passing->used = 0;
    while (written < passing->used && n >= 0) {
        n = write_some(passing, passing->buffer + written, passing->used - written);
        if (n > 0) written += (size_t)n;
    }
    int error = errno;
    passing->used -= written;
    memmove(passing->buffer, passing->buffer + written, passing->used);
    if (n < 0) give_up(passing, error);
}

void passing_close(struct passing *passing) {
    passing_flush(passing);
    for (uint64_t end_ms = monotonic_ms() + END_MS, left_ms; passing->used > 0; passing_flush(passing)) {
        left_ms = end_ms - monotonic_ms();
        if (left_ms > END_MS || !stream_is_writable(passing->fd, (int)left_ms)) break;
    }
    drop_rest(passing);
    if (passing->way == PASSING_OWN) close(passing->fd);
}

/* --- lines --- */

static void append(struct passing *passing, const char *data, size_t size_bytes) {
    memcpy(passing->buffer + passing->used, data, size_bytes);
    passing->used += size_bytes;
}

static void append_harmless(struct passing *passing, struct skep_bytes line) {
    for (size_t at = 0, size; at < line.size_bytes; at += size) {
        const char *shown = utf8_shown(line.data + at, line.size_bytes - at, "\t", &size);
        append(passing, shown, size);
    }
}

void passing_add(struct passing *passing, struct skep_bytes line, uint64_t cut) {
    char mark[MARK_BYTES] = "\n";
    if (cut > 0) snprintf(mark, sizeof mark, " [%" PRIu64 " bytes cut]\n", cut);
    size_t room = sizeof passing->buffer - passing->used;
    if (room < line.size_bytes + MARK_BYTES) passing_flush(passing);
    room = sizeof passing->buffer - passing->used;
    if (passing->way == PASSING_NONE) return;
    if (room < line.size_bytes + MARK_BYTES) {
        passing->dropped++;
        return;
    }
    if (passing->on_terminal) append_harmless(passing, line);
    else if (line.size_bytes > 0) append(passing, line.data, line.size_bytes);
    append(passing, mark, strlen(mark));
}
