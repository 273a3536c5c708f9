/* SPDX-License-Identifier: MIT
 * One line on stderr, whatever was in the arguments. */
#include "command/common/say.h"

#include <stdio.h>
#include <string.h>

#include "command/common/utf8.h"

enum { LINE_BYTES = 1024 };

void make_printable(char *text) {
    size_t left = strlen(text);
    for (size_t size; left > 0; text += size, left -= size) *text = *utf8_shown(text, left, "", &size);
}

/* In one write, so that lines of several processes do not mix. */
static void write_line(char *text) {
    make_printable(text);
    fprintf(stderr, "skep: %s\n", text);
}

void say(const char *format, ...) {
    char text[LINE_BYTES];
    FORMAT(text, sizeof text, format);
    write_line(text);
}

int fail(int status, const char *format, ...) {
    char text[LINE_BYTES];
    FORMAT(text, sizeof text, format);
    write_line(text);
    return skep_exit_status(status);
}
