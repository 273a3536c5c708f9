/* SPDX-License-Identifier: MIT
 * Values of options and operands. */
#include "command/common/values.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool is_number(const char *text) {
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

bool parse_number(const char *value, uint64_t least, uint64_t greatest, uint64_t *number) {
    if (!isdigit((unsigned char)*value)) return false;
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(value, &end, 10);
    if (errno != 0 || *end != '\0' || parsed < least || parsed > greatest) return false;
    *number = parsed;
    return true;
}

bool parse_unsigned(const char *value, unsigned least, unsigned greatest, unsigned *number) {
    uint64_t parsed;
    if (!parse_number(value, least, greatest, &parsed)) return false;
    *number = (unsigned)parsed;
    return true;
}

bool parse_signed(const char *value, int least, int greatest, int *number) {
    bool minus = value[0] == '-';
    uint64_t parsed;
    if (!parse_number(value + minus, 0, INT32_MAX, &parsed)) return false;
    int found = minus ? -(int)parsed : (int)parsed;
    if (found < least || found > greatest) return false;
    *number = found;
    return true;
}

/* Milliseconds in a unit of time; without one it is a second. 0: there is no such unit. */
static double ms_of(const char *unit) {
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0) return units[i].ms;
    return 0;
}

bool parse_time(const char *value, uint64_t least_ms, uint64_t most_ms, uint64_t *ms) {
    size_t count = strspn(value, "0123456789.");
    char *end;
    double number = strtod(value, &end);
    if (count == 0 || end != value + count || ms_of(end) == 0) return false;
    double wanted_ms = number * ms_of(end);
    if (wanted_ms > (double)most_ms) return false;
    uint64_t found_ms = wanted_ms > 0 && wanted_ms < 1 ? 1 : (uint64_t)(wanted_ms + 0.5);
    if (found_ms < least_ms) return false;
    *ms = found_ms;
    return true;
}

/* 0 if it is no suffix. */
static uint64_t unit_of(const char *suffix) {
    static const char suffixes[] = "KMG";
    if (suffix[0] == '\0') return 1;
    const char *found = suffix[1] == '\0' ? strchr(suffixes, suffix[0]) : NULL;
    return found != NULL ? UINT64_C(1) << (10 * (found - suffixes + 1)) : 0;
}

bool parse_size(const char *value, uint64_t most_bytes, uint64_t *size_bytes) {
    char digits[24];
    size_t count = strspn(value, "0123456789");
    uint64_t number, unit = unit_of(value + count);
    if (count == 0 || count >= sizeof digits || unit == 0) return false;
    memcpy(digits, value, count);
    digits[count] = '\0';
    if (!parse_number(digits, 1, most_bytes / unit, &number)) return false;
    *size_bytes = number * unit;
    return true;
}

/* -1, as every bit is set, means "no change" to the kernel: no user has this number. */
static bool parse_id(const char *text, unsigned *id) {
    return parse_unsigned(text, 0, UINT32_MAX - 1, id);
}

/* A number needs no entry, but then a group must be given. */
static const char *find_user(const char *name, uid_t *uid, gid_t *gid, bool *has_group) {
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL && parse_id(name, uid)) {
        entry = getpwuid(*uid);
        *has_group = entry != NULL;
        if (entry == NULL) return NULL;
    }
    if (entry == NULL) return "there is no such user";
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    *has_group = true;
    return NULL;
}

static const char *find_group(const char *name, gid_t *gid) {
    const struct group *entry = getgrnam(name);
    if (entry == NULL && parse_id(name, gid)) return NULL;
    if (entry == NULL) return "there is no such group";
    *gid = entry->gr_gid;
    return NULL;
}

const char *parse_user(const char *value, uid_t *uid, gid_t *gid) {
    char name[256];
    bool has_group = false;
    const char *colon = strchrnul(value, ':');
    size_t length = (size_t)(colon - value);
    if (length == 0 || length >= sizeof name) return "expected NAME or NAME:GROUP";
    memcpy(name, value, length);
    name[length] = '\0';
    const char *why = find_user(name, uid, gid, &has_group);
    if (why == NULL && *colon == ':') return find_group(colon + 1, gid);
    if (why == NULL && !has_group) return "this user has no entry: expected USER:GROUP";
    return why;
}

const char *parse_umask(const char *value, mode_t *umask) {
    unsigned bits = 0;
    bool is_octal = value[0] != '\0' && value[strspn(value, "01234567")] == '\0' && strlen(value) <= 4;
    for (const char *digit = value; is_octal && *digit != '\0'; digit++) bits = bits * 8 + (unsigned)(*digit - '0');
    if (!is_octal || bits > 0777) return "expected an octal number, such as 022, at most 777";
    *umask = bits;
    return NULL;
}

const char *absolute_path(const char *path, char room[SKEP_MAX_PATH + 1]) {
    char here[SKEP_MAX_PATH + 1];
    if (path[0] == '/') return path;
    if (getcwd(here, sizeof here) == NULL) return NULL;
    int length = snprintf(room, SKEP_MAX_PATH + 1, "%s/%s", here, path);
    if (length <= SKEP_MAX_PATH) return room;
    errno = ENAMETOOLONG;
    return NULL;
}

const char *check_name(const char *name, size_t size_bytes) {
    if (size_bytes == 0) return "the name is empty";
    if (size_bytes > SKEP_MAX_NAME) return "the name is longer than 64 bytes";
    if (name[0] == '.') return "the name begins with a dot";
    for (size_t i = 0; i < size_bytes; i++)
        if (name[i] == '/' || !isgraph((unsigned char)name[i])) return "the name has a character that is not allowed";
    return NULL;
}

const char *check_label(const char *name) {
    if (name[0] == '\0') return "the name is empty";
    return strlen(name) > SKEP_MAX_NAME ? "the name is longer than 64 bytes" : NULL;
}
