/* SPDX-License-Identifier: MIT
 * Frames on a terminal. Each line clears what was there, and the end what is below it: the window is never empty, so
 * that nothing flickers. Long lines are cut to as many columns as there are; the terminal itself would go on writing
 * over its last one. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "command/common/width.h"
#include "command/view/view.h"

#define HOME "\033[H"
#define CUT_LINES "\033[?7l"
#define WRAP_LINES "\033[?7h"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

enum { USUAL_ROWS = 24, USUAL_COLUMNS = 80, LEAST_ROWS = 3 };

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
        signal(signals[i], paint_is_possible() ? restore_and_end : end);
}

static unsigned count_lines(const char *text, size_t size_bytes) {
    unsigned lines = 0;
    for (const char *end; (end = memchr(text, '\n', size_bytes)) != NULL; lines++) {
        size_bytes -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    return lines;
}

/* Size of a colour, which takes no room; 0 if there is none. */
static size_t size_of_colour(const char *text) {
    size_t size = strcspn(text, "m\n");
    return text[0] == '\033' && text[size] == 'm' ? size + 1 : 0;
}

/* Colours go on behind the cut, so that they end. Returns the line's end. */
static const char *write_line(FILE *file, const char *text, unsigned columns) {
    unsigned used = 0;
    while (*text != '\n') {
        size_t colour = size_of_colour(text), size = colour;
        if (colour == 0) used += width_of_first(text, &size);
        if (colour > 0 || used <= columns) fwrite(text, 1, size, file);
        text += size;
    }
    return text;
}

static void write_lines(FILE *file, const char *text, unsigned lines, unsigned columns) {
    for (; lines > 0; lines--) {
        fputs(CLEAR_LINE, file);
        text = write_line(file, text, columns) + 1;
        putc('\n', file);
    }
}

/* The cursor needs the last row, since a line feed there would move all up. */
static void make_frame(const char *text, size_t size_bytes, struct winsize window, char **frame, size_t *frame_bytes) {
    unsigned lines = count_lines(text, size_bytes),
             room = (window.ws_row < LEAST_ROWS ? LEAST_ROWS : window.ws_row) - 1u;
    unsigned shown = lines <= room ? lines : room - 1;
    FILE *file = open_memstream(frame, frame_bytes);
    if (file == NULL) return;
    fputs(CUT_LINES HOME, file);
    write_lines(file, text, shown, window.ws_col);
    if (shown < lines) fprintf(file, CLEAR_LINE "… %u more\n", lines - shown);
    fputs(CLEAR_BELOW WRAP_LINES, file);
    if (fclose(file) != 0) *frame_bytes = 0;
}

static void show_in_place(const char *text, size_t size_bytes) {
    char *frame = NULL;
    size_t frame_bytes = 0;
    struct winsize window = window_size();
    if (window.ws_row == 0) window.ws_row = USUAL_ROWS;
    if (window.ws_col == 0) window.ws_col = USUAL_COLUMNS;
    make_frame(text, size_bytes, window, &frame, &frame_bytes);
    fwrite(frame, 1, frame_bytes, stdout);
    free(frame);
}

/* On a terminal a line is written at once, and has failed by the time that there is nothing left to flush. */
int watch_show(const char *text, size_t size_bytes, bool *deaf) {
    if (paint_is_possible()) show_in_place(text, size_bytes);
    else fwrite(text, 1, size_bytes, stdout);
    int error = flush_output(deaf);
    return error == 0 ? 0 : fail(skep_status_of_errno(error), "stdout: %s", strerror(error));
}
