/* SPDX-License-Identifier: MIT
 * A log on a pipe that is full, or on a terminal that is stopped, would stop the broker: such lines are dropped and
 * counted. stderr itself stays blocking, since the workers share it. */
#include "log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "clocks.h"
#include "notice.h"
#include "say.h"

static bool is_writable(int timeout_ms) {
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&stream, 1, timeout_ms) == 1 && (stream.revents & POLLOUT) != 0;
}

static size_t stamp(char text[NOTICE_TEXT_BYTES]) {
    char time[32];
    time_text(wall_clock_ms(), time);
    return (size_t)snprintf(text, NOTICE_TEXT_BYTES, "%s broker: ", time);
}

static void tell_dropped(struct log *log) {
    uint64_t dropped = log->dropped;
    log->dropped = 0;
    log_broker(log, "%" PRIu64 " lines of this log were dropped, since nobody read it", dropped);
}

void log_line(struct log *log, const char *text) {
    if (!is_writable(0)) {
        log->dropped++;
        return;
    }
    if (log->dropped > 0) tell_dropped(log);
    fprintf(stderr, "%s\n", text);
}

void log_broker(struct log *log, const char *format, ...) {
    char text[NOTICE_TEXT_BYTES];
    size_t used = stamp(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - used, format, arguments);
    va_end(arguments);
    make_printable(text);
    log_line(log, text);
}

void log_wait(void) {
    is_writable(1000);
}
