/* SPDX-License-Identifier: MIT
 * Values of options and operands: parsed strictly, and what is wrong with them said in words. */
#ifndef SKEP_COMMAND_COMMON_VALUES_H
#define SKEP_COMMAND_COMMON_VALUES_H

#include <contract.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether it is an id rather than a name: digits, however many. */
bool is_number(const char *text);

/* Digits only: no sign, no space, no other base. */
bool parse_number(const char *value, uint64_t least, uint64_t greatest, uint64_t *number);
bool parse_unsigned(const char *value, unsigned least, unsigned greatest, unsigned *number);

/* The same with a minus in front. */
bool parse_signed(const char *value, int least, int greatest, int *number);

/* A time: a number, which may have a fraction, and a unit, ms, s, m or h; without one it is seconds. What is more than
 * nothing is a millisecond at least. False if it is none, or not within the bounds. */
bool parse_time(const char *value, uint64_t least_ms, uint64_t most_ms, uint64_t *ms);

/* A size: digits, which a suffix K, M or G may follow, of 1024 each; not 0. */
bool parse_size(const char *value, uint64_t most_bytes, uint64_t *size_bytes);

/* NAME, NAME:GROUP, or numbers in their place; without a group it is the user's own. */
const char *parse_user(const char *value, uid_t *uid, gid_t *gid);

/* Octal digits, at most 777. */
const char *parse_umask(const char *value, mode_t *umask);

/* The path from the root, in room if it has to be made; symbolic links stay. NULL: see errno. */
const char *absolute_path(const char *path, char room[SKEP_MAX_PATH + 1]);

/* A name of an instance or a listener becomes a part of a path and of a line. */
const char *check_name(const char *name, size_t size_bytes);

/* A name of a queue, a worker or a message: any bytes, 1 to 64. */
const char *check_label(const char *name);

#endif
