/* SPDX-License-Identifier: MIT
 * Output that may come from a peer, on stdout: as it is for programs, made harmless for a terminal. */
#ifndef SKEP_COMMAND_COMMON_PRINT_H
#define SKEP_COMMAND_COMMON_PRINT_H

#include <command.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* Prints a value as one line, and lets go of it; write_json to a file whose text goes to stdout later, and keeps it. */
void print_json(json_t *value);
void write_json(FILE *file, const json_t *value);

/* Prints bytes as they are; on a terminal what is neither printable nor a line feed or a tab is a question mark. */
void print_bytes(struct skep_bytes bytes);

/* Sets data if the bytes are text, else data_hex. */
void set_data(json_t *object, const char *key, struct skep_bytes bytes);

/* Bytes as hexadecimal digits; NULL if there is no memory. */
json_t *json_of_hex(struct skep_bytes bytes);

/* Size of the terminal that stdout is; what is 0 is not known: it may be none. */
struct winsize window_size(void);

/* Appends such as "3 jobs", behind a comma if it is not the first, or nothing if there are none. Returns what is used.
 */
size_t add_counted(char *text, size_t capacity_bytes, size_t used, uint64_t count, const char *what);

/* Writes a number with commas between thousands. */
void grouped(uint64_t number, char text[32]);

/* --- at once, for programs that read it as it comes --- */

/* For what prints until it is interrupted: SIGPIPE is ignored, SIGINT and SIGTERM end the program with 0, since all
 * that was printed has been flushed. */
void output_begin(void);

/* Returns 0, or the errno of what went wrong with this or with what was printed before. A reader that left is no error,
 * now or when the program ends: *deaf is set then. SIGPIPE must be ignored. */
int flush_output(bool *deaf);

/* Whether the reader of stdout has ended, also if there is nothing to write. */
bool output_is_deaf(void);

/* --- colours, only on a terminal that has them, and not if the user wants none (no-color.org) --- */

enum paint {
    PAINT_NONE,
    PAINT_GOOD,
    PAINT_WARN,
    PAINT_BAD,
    PAINT_TITLE,
    PAINT_FAINT,
};

/* Whether stdout is a terminal that understands more than text: TERM is not dumb. */
bool paint_is_possible(void);

/* Whether NO_COLOR says something. */
bool paint_is_refused(void);

/* Whether colours are possible, and not refused. */
bool paint_wanted(void);

/* Of the state of a worker, a listener or a queue; that of one that is as it should be has none. */
enum paint paint_of_state(const char *state);

/* What begins and what ends text of a colour; "" without colour. Static text. */
const char *paint_begin(bool wanted, enum paint paint);
const char *paint_end(bool wanted, enum paint paint);

#endif
