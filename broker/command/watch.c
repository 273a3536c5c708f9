/* SPDX-License-Identifier: MIT
 * Frames on a terminal. Each line clears what was there, and the end what is below it: the window is never empty, so
 * that nothing flickers. Long lines are cut by the terminal itself, which knows how wide its characters are. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "say.h"

#define HOME "\033[H"
#define CUT_LINES "\033[?7l"
#define WRAP_LINES "\033[?7h"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

enum { USUAL_ROWS = 24, LEAST_ROWS = 3 };

static bool has_cursor(void) {
    const char *terminal = getenv("TERM");
    return terminal != NULL && strcmp(terminal, "dumb") != 0 && isatty(STDOUT_FILENO);
}

static void end(int signal) {
    (void)signal;
    _exit(0);
}

/* The signal may have come in the middle of a frame. */
static void restore_and_end(int signal) {
    static const char restore[] = "\033[0m" WRAP_LINES "\n";
    ssize_t n = write(STDOUT_FILENO, restore, sizeof restore - 1);
    (void)n;
    end(signal);
}

void watch_begin(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], has_cursor() ? restore_and_end : end);
}

static unsigned count_lines(const char *text, size_t size_bytes) {
    unsigned lines = 0;
    for (const char *end; (end = memchr(text, '\n', size_bytes)) != NULL; lines++) {
        size_bytes -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    return lines;
}

static void write_lines(FILE *file, const char *text, unsigned lines) {
    for (; lines > 0; lines--) {
        const char *end = strchr(text, '\n');
        fprintf(file, CLEAR_LINE "%.*s\n", (int)(end - text), text);
        text = end + 1;
    }
}

/* The cursor needs the last row, since a line feed there would move all up. */
void watch_frame(const char *text, size_t size_bytes, unsigned rows, char **frame, size_t *frame_bytes) {
    unsigned lines = count_lines(text, size_bytes), room = (rows < LEAST_ROWS ? LEAST_ROWS : rows) - 1;
    unsigned shown = lines <= room ? lines : room - 1;
    FILE *file = open_memstream(frame, frame_bytes);
    if (file == NULL) return;
    fputs(CUT_LINES HOME, file);
    write_lines(file, text, shown);
    if (shown < lines) fprintf(file, CLEAR_LINE "… %u more\n", lines - shown);
    fputs(CLEAR_BELOW WRAP_LINES, file);
    if (fclose(file) != 0) *frame_bytes = 0;
}

static unsigned window_rows(void) {
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : USUAL_ROWS;
}

static void show_in_place(const char *text, size_t size_bytes) {
    char *frame = NULL;
    size_t frame_bytes = 0;
    watch_frame(text, size_bytes, window_rows(), &frame, &frame_bytes);
    fwrite(frame, 1, frame_bytes, stdout);
    free(frame);
}

/* A terminal that hung up without a signal says no more than an error of any file, when it is written to. */
static bool has_no_reader(int error) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    return error == EPIPE || (poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0);
}

/* On a terminal a line is written at once, and has failed by the time that there is nothing left to flush. */
int watch_show(const char *text, size_t size_bytes, bool *deaf) {
    if (has_cursor()) show_in_place(text, size_bytes);
    else fwrite(text, 1, size_bytes, stdout);
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    int error = errno;
    __fpurge(stdout); /* main would complain about it again */
    clearerr(stdout);
    *deaf = has_no_reader(error);
    return *deaf ? 0 : fail(SKEP_ESYS, "stdout: %s", strerror(error));
}
