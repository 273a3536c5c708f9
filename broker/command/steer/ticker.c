/* SPDX-License-Identifier: MIT
 * How far something is, on stdout. */
#include <unistd.h>

#include "command/common/print.h"
#include "command/common/width.h"
#include "command/steer/steer.h"

enum { LINE_BYTES = 1024, USUAL_COLUMNS = 80 };

void ticker_begin(struct ticker *ticker) {
    *ticker = (struct ticker){.is_terminal = isatty(STDOUT_FILENO)};
}

void ticker_erase(struct ticker *ticker) {
    if (!ticker->is_shown) return;
    fputs("\r\033[K", stdout);
    fflush(stdout);
    ticker->is_shown = false;
}

static void print_line(struct ticker *ticker, char *text) {
    make_printable(text);
    ticker_erase(ticker);
    puts(text);
    fflush(stdout);
}

/* A line that the terminal folds could not be written over. */
static void show(struct ticker *ticker, char *text) {
    unsigned columns = window_size().ws_col;
    make_printable(text);
    text[width_fitting(text, (columns > 0 ? columns : USUAL_COLUMNS) - 1)] = '\0';
    ticker_erase(ticker);
    fputs(text, stdout);
    fflush(stdout);
    ticker->is_shown = true;
}

void ticker_step(struct ticker *ticker, const char *format, ...) {
    char text[LINE_BYTES];
    FORMAT(text, sizeof text, format);
    if (ticker->is_terminal) show(ticker, text);
    else print_line(ticker, text);
}

void ticker_wait(struct ticker *ticker, const char *format, ...) {
    char text[LINE_BYTES];
    if (!ticker->is_terminal) return;
    FORMAT(text, sizeof text, format);
    show(ticker, text);
}

void ticker_line(struct ticker *ticker, const char *format, ...) {
    char text[LINE_BYTES];
    FORMAT(text, sizeof text, format);
    print_line(ticker, text);
}
