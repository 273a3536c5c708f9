/* SPDX-License-Identifier: MIT
 * A path is looked at from its root down: what stands below a directory in which only the owner and root may rename
 * cannot be exchanged after it has been looked at. */
#include "common/safe_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40 }; /* as the kernel's */

struct walk {
    int at;               /* the directory that has been reached; -1: none */
    char rest[PATH_MAX];  /* of the path, behind it */
    char where[PATH_MAX]; /* the directory's path, for people */
    uid_t owner;
    uid_t root; /* who owns the root directory: in a user namespace that is not 0 */
    unsigned links;
    bool missing; /* there is nothing of the next part's name */
    char *why;
};

static int refuse(const struct walk *walk, const char *format) {
    snprintf(walk->why, SKEP_MAX_REASON + 1, format, walk->where);
    return SKEP_EDIR;
}

static int failed(const struct walk *walk) {
    int status = skep_status_of_errno(errno);
    snprintf(walk->why, SKEP_MAX_REASON + 1, "%.400s: %s", walk->where, strerror(errno));
    return status == SKEP_EACCES || status == SKEP_EMFILE ? status : SKEP_EDIR;
}

/* The group that has its owner's number is that user's own: with a umask of 002 all that he makes is open to it. */
static bool others_may_write(const struct stat *st) {
    if ((st->st_mode & S_ISVTX) != 0) return false;
    return (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && st->st_gid != st->st_uid);
}

static int check(const struct walk *walk, const struct stat *st) {
    bool is_trusted = st->st_uid == walk->owner || st->st_uid == walk->root || st->st_uid == 0;
    if (!is_trusted) return refuse(walk, "%.400s belongs to another user");
    if (S_ISDIR(st->st_mode) && others_may_write(st)) return refuse(walk, "others may write to %.400s");
    return S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode) ? SKEP_OK : refuse(walk, "%.400s is not a directory");
}

static void move_to(struct walk *walk, int fd) {
    if (walk->at >= 0) close(walk->at);
    walk->at = fd;
}

/* The path goes on from the root or from the working directory. */
static int begin(struct walk *walk, const char *from) {
    struct stat st;
    snprintf(walk->where, sizeof walk->where, "%s", from);
    move_to(walk, open(from, O_PATH | O_DIRECTORY | O_CLOEXEC));
    return walk->at < 0 || fstat(walk->at, &st) != 0 ? failed(walk) : check(walk, &st);
}

/* Puts what a link says in front of the rest. */
static int follow(struct walk *walk, int link) {
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t size = readlinkat(link, "", target, sizeof target - 1);
    if (size < 0) return failed(walk);
    target[size] = '\0';
    int length = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
    if (++walk->links > MAX_LINKS || length < 0 || (size_t)length >= sizeof rest) {
        errno = ELOOP;
        return failed(walk);
    }
    memcpy(walk->rest, rest, (size_t)length + 1);
    return rest[0] == '/' ? begin(walk, "/") : SKEP_OK;
}

static void name(struct walk *walk, const char *part) {
    size_t length = strlen(walk->where);
    const char *slash = length > 0 && walk->where[length - 1] == '/' ? "" : "/";
    snprintf(walk->where + length, sizeof walk->where - length, "%s%s", slash, part);
}

/* Takes the next part off the rest; false at its end. */
static bool next_part(struct walk *walk, char part[NAME_MAX + 1]) {
    const char *begin = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(begin, "/");
    if (length == 0) return false;
    snprintf(part, NAME_MAX + 1, "%.*s", (int)length, begin);
    memmove(walk->rest, begin + length, strlen(begin + length) + 1);
    return true;
}

static int step(struct walk *walk, const char *part) {
    char before[PATH_MAX];
    struct stat st;
    memcpy(before, walk->where, strlen(walk->where) + 1);
    name(walk, part);
    int fd = openat(walk->at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    walk->missing = fd < 0 && errno == ENOENT;
    if (fd < 0) return walk->missing ? SKEP_OK : failed(walk);
    int status = fstat(fd, &st) == 0 ? check(walk, &st) : failed(walk);
    if (status == SKEP_OK && !S_ISLNK(st.st_mode)) {
        move_to(walk, fd);
        return SKEP_OK;
    }
    if (status == SKEP_OK) {
        memcpy(walk->where, before, strlen(before) + 1);
        status = follow(walk, fd);
    }
    close(fd);
    return status;
}

/* The working directory is a path, too. */
static int begin_at(struct walk *walk, const char *path) {
    char here[PATH_MAX] = "";
    struct stat st;
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL) return failed(walk);
    int length = snprintf(walk->rest, sizeof walk->rest, "%s/%s", here, path);
    errno = ENAMETOOLONG;
    if (length < 0 || (size_t)length >= sizeof walk->rest || stat("/", &st) != 0) return failed(walk);
    walk->root = st.st_uid;
    return begin(walk, "/");
}

int skep__safe_path(const char *path, uid_t owner, char why[SKEP_MAX_REASON + 1]) {
    struct walk walk = {.at = -1, .owner = owner, .why = why};
    char part[NAME_MAX + 1];
    int status = begin_at(&walk, path);
    while (status == SKEP_OK && !walk.missing && next_part(&walk, part)) status = step(&walk, part);
    if (walk.at >= 0) close(walk.at);
    return status;
}
