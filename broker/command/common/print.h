/* SPDX-License-Identifier: MIT
 * Output that may come from a peer, on stdout: as it is for programs, made harmless for a terminal. */
#ifndef SKEP_COMMAND_COMMON_PRINT_H
#define SKEP_COMMAND_COMMON_PRINT_H

#include <command.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* Prints a value as one line; write_json to a file whose text goes to stdout later. */
void print_json(const json_t *value);
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

#endif
