/* SPDX-License-Identifier: MIT
 * A log on a pipe that is full, or on a terminal that is stopped, would stop the broker: such lines are dropped and
 * counted. stderr itself stays blocking, since the workers share it. */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "command/run/run.h"

bool stream_is_writable(int fd, int timeout_ms) {
    struct pollfd stream = {.fd = fd, .events = POLLOUT};
    return poll(&stream, 1, timeout_ms) == 1 && (stream.revents & POLLOUT) != 0;
}

static void tell_dropped(struct log *log) {
    uint64_t dropped = log->dropped;
    log->dropped = 0;
    log_broker(log, "%" PRIu64 " lines of this log were dropped, because it was not read", dropped);
}

void log_line(struct log *log, const char *text) {
    if (!stream_is_writable(STDERR_FILENO, 0)) {
        log->dropped++;
        return;
    }
    if (log->dropped > 0) tell_dropped(log);
    fprintf(stderr, "%s\n", text);
}

void log_broker(struct log *log, const char *format, ...) {
    char text[NOTICE_TEXT_BYTES], time[TIME_BYTES];
    time_text(skep__wall_ms(), time);
    size_t used = (size_t)snprintf(text, sizeof text, "%s broker: ", time);
    FORMAT(text + used, sizeof text - used, format);
    make_printable(text);
    log_line(log, text);
}

void log_wait(void) {
    stream_is_writable(STDERR_FILENO, 1000);
}

/* --- files --- */

static const int streams[LOG_STREAMS] = {STDOUT_FILENO, STDERR_FILENO};

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The link of a file that was removed says " (deleted)" after its name: there is no such file, or another one. */
static void note_file(int stream, char file[PATH_MAX]) {
    char descriptor[32];
    struct stat opened, named;
    snprintf(descriptor, sizeof descriptor, "/proc/self/fd/%d", stream);
    ssize_t length = readlink(descriptor, file, PATH_MAX - 1);
    file[length > 0 ? length : 0] = '\0';
    bool is_file = fstat(stream, &opened) == 0 && S_ISREG(opened.st_mode) && file[0] == '/';
    if (!is_file || lstat(file, &named) != 0 || !is_same(&opened, &named)) file[0] = '\0';
}

void log_begin(struct log *log) {
    for (int i = 0; i < LOG_STREAMS; i++) note_file(streams[i], log->files[i]);
}

/* Another user of the directory may have put something else there, which must not hold the broker up. Returns 0 or
 * an errno. */
static int reopen(int stream, const char *path) {
    struct stat old, opened;
    mode_t mode = fstat(stream, &old) == 0 ? old.st_mode & 0666 : 0600;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
    if (fd < 0) return errno;
    bool is_file = fstat(fd, &opened) == 0 && S_ISREG(opened.st_mode);
    int error = !is_file ? EINVAL : dup2(fd, stream) < 0 ? errno : 0;
    close(fd);
    return error;
}

void log_reopen(struct log *log) {
    int errors[LOG_STREAMS] = {0};
    bool any = false;
    fflush(stderr);
    for (int i = 0; i < LOG_STREAMS; i++)
        if (log->files[i][0] != '\0') errors[i] = reopen(streams[i], log->files[i]);
    for (int i = 0; i < LOG_STREAMS; i++) {
        const char *path = log->files[i];
        if (path[0] == '\0') continue;
        bool said = any && strcmp(path, log->files[0]) == 0 && errors[i] == errors[0];
        any = true;
        if (said) continue;
        if (errors[i] == 0) log_broker(log, "reopened %s", path);
        else log_broker(log, "cannot reopen %s: %s; continuing with the old file", path, strerror(errors[i]));
    }
    if (!any) log_broker(log, "nothing to reopen: neither stdout nor stderr is a file");
}
