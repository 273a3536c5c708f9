/* SPDX-License-Identifier: MIT
 * Where a broker's directory is, and who owns it. */
#include "common/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/safe_path.h"

static bool is_set(const char *text) {
    return text != NULL && text[0] != '\0';
}

static int print_dir(const char *given, const char *name, char out[SKEP_MAX_DIR + 1]) {
    char path[SKEP_MAX_DIR + 1];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int length;
    if (is_set(given)) length = snprintf(path, sizeof path, "%s", given);
    else if (is_set(runtime)) length = snprintf(path, sizeof path, "%s/skep/%s", runtime, name);
    else if (geteuid() == 0) length = snprintf(path, sizeof path, "/run/skep/%s", name);
    else length = snprintf(path, sizeof path, "/tmp/skep-%u/%s", (unsigned)geteuid(), name);
    if (length < 0 || (size_t)length >= sizeof path) return SKEP_EDIR;
    memcpy(out, path, (size_t)length + 1);
    return SKEP_OK;
}

int skep__instance_dir(const char *dir, const char *name, char out[SKEP_MAX_DIR + 1], const char **why) {
    const char *given = is_set(dir) ? dir : getenv(SKEP_ENV_DIR);
    bool is_named = is_set(given) || (is_set(name) && strchr(name, '/') == NULL && name[0] != '.');
    *why = is_named ? "its path is longer than 76 bytes"
                    : "the name must not be empty, begin with a dot or contain a slash";
    return is_named ? print_dir(given, name, out) : SKEP_EDIR;
}

int skep__instance_default_dir(const char *name, char out[SKEP_MAX_DIR + 1]) {
    return print_dir(NULL, name, out);
}

static bool parse_lock(char *text, struct skep__instance *instance) {
    int pid;
    uint64_t generation;
    char name[SKEP_MAX_NAME + 1] = "";
    if (sscanf(text, "%d %" SCNu64 " %64[^\n]", &pid, &generation, name) != 3) return false;
    instance->pid = pid;
    instance->generation = generation;
    memcpy(instance->name, name, sizeof name);
    return true;
}

/* Whether the user can believe what is there: root may look into the directories of others. */
static int check(const char *dir, uid_t *owner, char why[SKEP_MAX_REASON + 1]) {
    struct stat st;
    if (stat(dir, &st) != 0) {
        snprintf(why, SKEP_MAX_REASON + 1, "%s", strerror(errno));
        return errno == EACCES ? SKEP_EACCES : SKEP_ENOBROKER;
    }
    if (!S_ISDIR(st.st_mode)) return SKEP_ENOBROKER;
    snprintf(why, SKEP_MAX_REASON + 1, "it belongs to another user");
    if (geteuid() != 0 && st.st_uid != geteuid()) return SKEP_EACCES;
    *owner = st.st_uid;
    return skep__safe_path(dir, st.st_uid, why);
}

/* A FIFO of that name does not block. Errors: as skep__instance_find. */
static int open_lock(const char *dir, uid_t owner, int *out) {
    char path[SKEP_MAX_DIR + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, SKEP_FILE_LOCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO)) return SKEP_EDIR;
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? SKEP_ENOBROKER : skep_status_of_errno(errno);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == owner) {
        *out = fd;
        return SKEP_OK;
    }
    close(fd);
    return SKEP_EDIR;
}

int skep__instance_find_or_say(const char *dir, struct skep__instance *instance, char why[SKEP_MAX_REASON + 1]) {
    char text[128];
    uid_t owner;
    if (strlen(dir) > SKEP_MAX_DIR) return SKEP_ENOBROKER;
    int fd = -1, status = check(dir, &owner, why);
    if (status != SKEP_OK) return status;
    status = open_lock(dir, owner, &fd);
    snprintf(why, SKEP_MAX_REASON + 1, "%s",
             status == SKEP_EDIR ? "its lock is not a file of its owner" : skep_strerror(status));
    if (status != SKEP_OK) return status;
    /* Only asks: a lock taken to look would keep out a broker that starts at that moment. */
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    bool is_held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    ssize_t n = is_held ? read(fd, text, sizeof text - 1) : -1;
    close(fd);
    if (n <= 0) return SKEP_ENOBROKER;
    text[n] = '\0';
    if (!parse_lock(text, instance)) return SKEP_ENOBROKER;
    snprintf(instance->dir, sizeof instance->dir, "%s", dir);
    return SKEP_OK;
}

int skep__instance_find(const char *dir, struct skep__instance *instance) {
    char why[SKEP_MAX_REASON + 1];
    return skep__instance_find_or_say(dir, instance, why);
}

void skep__instance_url(const struct skep__instance *instance, const char *socket, char *url, size_t capacity_bytes) {
    snprintf(url, capacity_bytes, "ipc://%s/%s.%" PRIu64, instance->dir, socket, instance->generation);
}
