/* SPDX-License-Identifier: MIT
 * Lines of a file as jobs, read as they can be submitted: the file may be longer than memory, and a pipe may be slow.
 *
 * Whether there is something to read is learnt from an epoll descriptor of our own that the loop watches: to watch
 * stdin itself libuv would make it non-blocking, for everybody who shares it. Files cannot be watched, nor need be. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "command/submit/submission.h"

enum { CHUNK_BYTES = 256 * 1024, BUFFER_BYTES = SKEP_MAX_PAYLOAD + 2 * CHUNK_BYTES };

struct lines {
    struct submission *submission;
    const char *path;
    int fd;
    int epoll_fd; /* -1: a file, which can always be read */
    uv_poll_t poll;
    uv_idle_t idle;
    char *buffer;
    size_t start;    /* of what has not been submitted */
    size_t used;     /* end of it */
    size_t searched; /* up to here there is no line feed */
    uint64_t number; /* of the latest line */
    bool skipping;   /* the rest of a line that is too long */
    bool at_end;
};

/* Reading nothing tells whether it can be read at all: a directory cannot. */
int lines_open(struct lines **out, const char *path) {
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) return fail(SKEP_ENOMEM, "submit: %s", skep_strerror(SKEP_ENOMEM));
    *lines = (struct lines){.path = path, .fd = STDIN_FILENO, .epoll_fd = -1, .buffer = malloc(BUFFER_BYTES)};
    if (strcmp(path, "-") != 0) lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lines->fd >= 0 && lines->buffer != NULL && read(lines->fd, lines->buffer, 0) == 0) {
        *out = lines;
        return 0;
    }
    say("submit: %s: %s", path, strerror(errno));
    lines_free(&lines);
    return EX_NOINPUT;
}

/* --- watching --- */

static void watch(struct lines *lines);

static void stop(struct lines *lines) {
    if (lines->epoll_fd >= 0) uv_poll_stop(&lines->poll);
    else uv_idle_stop(&lines->idle);
}

/* --- lines --- */

static void too_long(struct lines *lines) {
    lines->number++;
    lines->submission->declined++;
    submission_complain(lines->submission, lines->number, skep_exit_status(SKEP_ETOOBIG), "more than %d bytes",
                        SKEP_MAX_PAYLOAD);
}

/* False if it cannot be submitted now. */
static bool submit(struct lines *lines, size_t size_bytes) {
    struct submission *submission = lines->submission;
    if (skep_client_unfinished(submission->client) >= SUBMISSION_UNFINISHED) return false;
    int status = submission_add(submission, lines->buffer + lines->start, size_bytes, lines->number + 1);
    if (status == SKEP_EAGAIN) return false;
    if (status == SKEP_OK) lines->number++;
    else if (status == SKEP_ETOOBIG) too_long(lines);
    else submission_end(submission, fail(status, "submit: %s", skep_client_why(submission->client)));
    return !submission->ended;
}

/* One whole line. False if it cannot be submitted now. */
static bool take_line(struct lines *lines, size_t size_bytes) {
    if (lines->skipping) lines->skipping = false;
    else if (!submit(lines, size_bytes)) return false;
    lines->start += size_bytes + 1;
    lines->searched = lines->start;
    return true;
}

/* What is too long is dropped as it comes. */
static void drop_too_long(struct lines *lines) {
    if (!lines->skipping && lines->used - lines->start <= SKEP_MAX_PAYLOAD) return;
    if (!lines->skipping) too_long(lines);
    lines->skipping = true;
    lines->start = lines->searched = lines->used = 0;
}

/* The last line may do without its line feed. */
static bool take_rest(struct lines *lines) {
    size_t size_bytes = lines->used - lines->start;
    if (size_bytes > 0 && !take_line(lines, size_bytes)) return false;
    lines->start = lines->used = lines->searched = 0;
    lines->submission->all_submitted = true;
    stop(lines);
    return true;
}

/* False if there is a line that cannot be submitted now. */
static bool take_lines(struct lines *lines) {
    for (;;) {
        const char *from = lines->buffer + lines->searched;
        const char *end = memchr(from, '\n', lines->used - lines->searched);
        if (end == NULL) break;
        if (!take_line(lines, (size_t)(end - lines->buffer) - lines->start)) return false;
    }
    lines->searched = lines->used;
    drop_too_long(lines);
    return !lines->at_end || take_rest(lines);
}

/* --- reading --- */

static void make_room(struct lines *lines) {
    if (BUFFER_BYTES - lines->used >= CHUNK_BYTES) return;
    memmove(lines->buffer, lines->buffer + lines->start, lines->used - lines->start);
    lines->used -= lines->start;
    lines->searched -= lines->start;
    lines->start = 0;
}

static void read_more(struct lines *lines) {
    make_room(lines);
    ssize_t n = read(lines->fd, lines->buffer + lines->used, CHUNK_BYTES);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
        say("submit: %s: %s", lines->path, strerror(errno));
        submission_end(lines->submission, EX_NOINPUT);
        return;
    }
    lines->at_end = n == 0;
    lines->used += (size_t)n;
    if (!take_lines(lines)) stop(lines);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    read_more(poll->data);
}

static void on_idle(uv_idle_t *idle) {
    read_more(idle->data);
}

static void watch(struct lines *lines) {
    if (lines->epoll_fd >= 0) uv_poll_start(&lines->poll, UV_READABLE, on_readable);
    else uv_idle_start(&lines->idle, on_idle);
}

void lines_resume(struct lines *lines) {
    if (lines->submission->all_submitted || lines->submission->ended) return;
    if (!take_lines(lines)) stop(lines);
    else if (!lines->submission->all_submitted) watch(lines);
}

/* --- life --- */

static int watch_by_epoll(struct lines *lines) {
    struct epoll_event readable = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) return skep_status_of_errno(errno);
    if (epoll_ctl(fd, EPOLL_CTL_ADD, lines->fd, &readable) == 0) {
        lines->epoll_fd = fd;
        return SKEP_OK;
    }
    int error = errno;
    close(fd);
    return error == EPERM ? SKEP_OK : skep_status_of_errno(error); /* a file */
}

int lines_begin(struct lines *lines, struct submission *submission) {
    int status = watch_by_epoll(lines);
    if (status != SKEP_OK) return status;
    lines->submission = submission;
    lines->poll.data = lines->idle.data = lines;
    uv_idle_init(&submission->loop, &lines->idle);
    int error = lines->epoll_fd >= 0 ? uv_poll_init(&submission->loop, &lines->poll, lines->epoll_fd) : 0;
    if (error != 0) return skep_status_of_errno(-error);
    watch(lines);
    return SKEP_OK;
}

void lines_close(struct lines *lines) {
    if (lines->idle.loop != NULL) uv_close((uv_handle_t *)&lines->idle, NULL);
    if (lines->poll.loop != NULL) uv_close((uv_handle_t *)&lines->poll, NULL);
}

void lines_free(struct lines **out) {
    struct lines *lines = *out;
    if (lines == NULL) return;
    if (lines->fd > STDERR_FILENO) close(lines->fd);
    if (lines->epoll_fd >= 0) close(lines->epoll_fd);
    free(lines->buffer);
    free(lines);
    *out = NULL;
}
