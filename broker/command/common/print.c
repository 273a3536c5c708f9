/* SPDX-License-Identifier: MIT
 * Output, which may come from a peer. */
#include "command/common/print.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/common/say.h"
#include "command/common/utf8.h"

struct winsize window_size(void) {
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = (struct winsize){0};
    return size;
}

/* 15 digits show what was given; 17, the default, would show 0.1 as 0.10000000000000001. */
void write_json(FILE *file, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY);
    if (text == NULL) return;
    if (isatty(STDOUT_FILENO)) make_printable(text);
    fputs(text, file);
    putc('\n', file);
    free(text);
}

void print_json(json_t *value) {
    write_json(stdout, value);
    json_decref(value);
}

static void print_for_people(struct skep_bytes bytes) {
    for (size_t at = 0, size; at < bytes.size_bytes; at += size) {
        const char *shown = utf8_shown(bytes.data + at, bytes.size_bytes - at, "\n\t", &size);
        fwrite(shown, 1, size, stdout);
    }
}

void print_bytes(struct skep_bytes bytes) {
    if (isatty(STDOUT_FILENO)) print_for_people(bytes);
    else if (bytes.size_bytes > 0) fwrite(bytes.data, 1, bytes.size_bytes, stdout);
}

json_t *json_of_hex(struct skep_bytes bytes) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * bytes.size_bytes + 1);
    if (text == NULL) return NULL;
    for (size_t i = 0; i < bytes.size_bytes; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        text[2 * i] = digits[c >> 4];
        text[2 * i + 1] = digits[c & 15];
    }
    json_t *hex = json_stringn(text, 2 * bytes.size_bytes);
    free(text);
    return hex;
}

void set_data(json_t *object, const char *key, struct skep_bytes bytes) {
    char hex_key[32];
    snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    if (bytes.size_bytes == 0) json_object_set_new(object, key, json_string(""));
    else if (!utf8_is_text(bytes.data, bytes.size_bytes)) json_object_set_new(object, hex_key, json_of_hex(bytes));
    else json_object_set_new(object, key, json_stringn(bytes.data, bytes.size_bytes));
}

void grouped(uint64_t number, char text[32]) {
    char digits[24];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *text++ = ',';
        *text++ = digits[i];
    }
    *text = '\0';
}

size_t add_counted(char *text, size_t capacity_bytes, size_t used, uint64_t count, const char *what) {
    const char *comma = used > 0 ? ", " : "", *plural = count == 1 ? "" : "s";
    if (count == 0 || used >= capacity_bytes) return used;
    return used +
           (size_t)snprintf(text + used, capacity_bytes - used, "%s%" PRIu64 " %s%s", comma, count, what, plural);
}

/* --- at once --- */

static void on_signal(int signal) {
    (void)signal;
    _exit(0);
}

void output_begin(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

/* Lines may have been lost before, while the disk was full, and there may be room again. */
static int error_of_flush(void) {
    if (fflush(stdout) != 0) return errno;
    return ferror(stdout) ? EIO : 0;
}

bool output_is_deaf(void) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

/* A terminal that hung up without a signal says no more than an error of any file, when it is written to. main would
 * complain of what is left about a reader that has gone. */
int flush_output(bool *deaf) {
    int error = error_of_flush();
    if (error == 0 || (error != EPIPE && !output_is_deaf())) return error;
    *deaf = true;
    __fpurge(stdout);
    clearerr(stdout);
    return 0;
}

/* --- colours: the few that all terminals with colours have --- */

bool paint_is_possible(void) {
    const char *terminal = getenv("TERM");
    return terminal != NULL && strcmp(terminal, "dumb") != 0 && isatty(STDOUT_FILENO);
}

bool paint_is_refused(void) {
    const char *refused = getenv("NO_COLOR");
    return refused != NULL && refused[0] != '\0';
}

bool paint_wanted(void) {
    return paint_is_possible() && !paint_is_refused();
}

enum paint paint_of_state(const char *state) {
    static const struct {
        const char *state;
        enum paint paint;
    } paints[] = {
        {"spawning", PAINT_WARN}, {"online", PAINT_WARN}, {"draining", PAINT_WARN},
        {"waiting", PAINT_WARN},  {"gone", PAINT_BAD},    {"paused", PAINT_BAD},
    };
    for (size_t i = 0; i < sizeof paints / sizeof *paints; i++)
        if (strcmp(paints[i].state, state) == 0) return paints[i].paint;
    return PAINT_NONE;
}

const char *paint_begin(bool wanted, enum paint paint) {
    static const char *const codes[] = {
        [PAINT_NONE] = "",          [PAINT_GOOD] = "\033[32m", [PAINT_WARN] = "\033[33m",
        [PAINT_BAD] = "\033[1;31m", [PAINT_TITLE] = "\033[1m", [PAINT_FAINT] = "\033[2m",
    };
    return wanted ? codes[paint] : "";
}

const char *paint_end(bool wanted, enum paint paint) {
    return wanted && paint != PAINT_NONE ? "\033[0m" : "";
}
