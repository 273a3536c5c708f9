/* SPDX-License-Identifier: MIT
 * Values of options and operands: parsed strictly, and what is wrong with them said in words. */
#ifndef SKEP_COMMAND_COMMON_VALUES_H
#define SKEP_COMMAND_COMMON_VALUES_H

#include <contract.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    MAX_SECONDS = 86400,                  /* of an interval, a timeout or a lease */
    MAX_DELAY_SECONDS = 4000000,          /* of a job's delay: 1111 hours, which 32 bits of milliseconds hold */
    LEAST_PERIOD_MS = SKEP_LEAST_LEASE_MS /* of a lease, a watchdog, a display that is refreshed */
};

/* Whether it is an id rather than a name: digits, however many. */
bool is_number(const char *text);

/* Digits only: no sign, no space, no other base. */
bool parse_number(const char *value, uint64_t least, uint64_t greatest, uint64_t *number);
bool parse_unsigned(const char *value, unsigned least, unsigned greatest, unsigned *number);

/* The same with a minus in front. */
bool parse_signed(const char *value, int least, int greatest, int *number);

/* Times: a number, which may have a fraction, and a unit, ms, s, m or h; without one it is seconds. These return what
 * is wrong, or NULL. */
const char *parse_time(const char *value, unsigned *ms);   /* not 0, at most 24 h */
const char *parse_period(const char *value, unsigned *ms); /* from 100 ms to 24 h */
const char *parse_delay(const char *value, uint32_t *ms);  /* may be 0 */
const char *parse_ttl(const char *value, uint32_t *ms);

/* The same, with bounds. False if something is wrong. */
bool parse_duration(const char *value, unsigned least_ms, unsigned most_s, uint32_t *ms);

/* Takes a suffix K, M or G, of 1024 each. Returns what is wrong, or NULL. */
const char *parse_size(const char *value, uint64_t *size_bytes);

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
