/* SPDX-License-Identifier: MIT
 * The instance's directory. The lock is an open file description lock: it ends with the broker, however that ends, and
 * looking at it disturbs nobody. The lock file stays, lest two brokers lock two files of one name. */
#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ENDING_MS = 1000, /* how long to wait for a broker that was killed to let go of the lock */
    ENDING_STEP_MS = 5
};

static int unusable(skep_cluster *cluster, const char *dir, const char *why) {
    return skep__broker_fail(cluster, SKEP_EDIR, "%s: directory cannot be used: %s", dir, why);
}

/* Makes what is missing of a path. */
static int make_path(skep_cluster *cluster, const char *dir) {
    char path[SKEP_MAX_DIR + 1];
    snprintf(path, sizeof path, "%s", dir);
    for (char *slash = path; slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL) *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) return unusable(cluster, dir, strerror(errno));
        if (slash != NULL) *slash = '/';
    }
    return SKEP_OK;
}

static int check_private(skep_cluster *cluster, const char *dir) {
    struct stat st;
    char why[80];
    if (lstat(dir, &st) != 0) return unusable(cluster, dir, strerror(errno));
    if (!S_ISDIR(st.st_mode)) return unusable(cluster, dir, "it is not a directory");
    if (st.st_uid != geteuid()) return unusable(cluster, dir, "it belongs to another user");
    if ((st.st_mode & 066) != 0) { /* being passed through does no harm: the sockets are 0600 */
        snprintf(why, sizeof why, "it is not private (mode %03o, 700 is needed)", (unsigned)(st.st_mode & 0777));
        return unusable(cluster, dir, why);
    }
    return access(dir, W_OK | X_OK) == 0 ? SKEP_OK : unusable(cluster, dir, strerror(errno));
}

/* --- lock --- */

static int busy(skep_cluster *cluster, const char *dir) {
    struct skep__instance owner;
    if (skep__instance_find(dir, &owner) != SKEP_OK)
        return skep__broker_fail(cluster, SKEP_EBUSY, "%s: another broker owns it", dir);
    return skep__broker_fail(cluster, SKEP_EBUSY, "%s: another broker owns it (pid %d)", dir, (int)owner.pid);
}

/* Whether the process that owned the lock has been killed: it holds it until the last of its threads has ended. */
static bool owner_is_ending(int lock) {
    char path[32], stat[128], state = 'X';
    int pid = 0;
    ssize_t n = pread(lock, stat, sizeof stat - 1, 0);
    stat[n > 0 ? n : 0] = '\0';
    if (sscanf(stat, "%d", &pid) != 1) return false;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return true;
    bool known = fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    fclose(file);
    return !known || state == 'Z' || state == 'X';
}

static bool take_lock(int fd) {
    static const struct timespec while_ms = {.tv_nsec = ENDING_STEP_MS * 1000000L};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    for (int waited_ms = 0; fcntl(fd, F_OFD_SETLK, &lock) != 0; waited_ms += ENDING_STEP_MS) {
        if (waited_ms >= ENDING_MS || (errno != EAGAIN && errno != EACCES)) return false;
        int error = errno;
        bool ending = owner_is_ending(fd);
        errno = error;
        if (!ending) return false;
        nanosleep(&while_ms, NULL);
    }
    return true;
}

static int lock_file(skep_cluster *cluster, const char *dir) {
    char path[SKEP_MAX_DIR + 16];
    snprintf(path, sizeof path, "%s/%s", dir, SKEP_FILE_LOCK);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return unusable(cluster, dir, strerror(errno));
    if (take_lock(fd)) {
        cluster->lock = fd;
        return SKEP_OK;
    }
    int error = errno;
    close(fd);
    return error == EAGAIN || error == EACCES ? busy(cluster, dir) : unusable(cluster, dir, strerror(error));
}

static void read_predecessor(skep_cluster *cluster) {
    char text[64];
    int pid;
    ssize_t n = pread(cluster->lock, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%d %" SCNu64, &pid, &cluster->left_generation) == 2) cluster->left_by = pid;
    else cluster->left_generation = 0;
}

static int write_lock(skep_cluster *cluster) {
    char text[128];
    struct skep__instance *instance = &cluster->instance;
    instance->pid = getpid();
    read_predecessor(cluster);
    instance->generation = cluster->left_generation + 1;
    int length =
        snprintf(text, sizeof text, "%d %" PRIu64 " %s\n", (int)instance->pid, instance->generation, instance->name);
    if (ftruncate(cluster->lock, 0) == 0 && pwrite(cluster->lock, text, (size_t)length, 0) == length) return SKEP_OK;
    return unusable(cluster, instance->dir, strerror(errno));
}

/* --- sockets --- */

static bool is_socket_name(const char *name) {
    static const char *const prefixes[] = {SKEP_FILE_CONTROL ".", SKEP_FILE_NEWS ".",   SKEP_FILE_OUTBOX ".",
                                           SKEP_FILE_INBOX ".",   SKEP_FILE_INTAKE ".", SKEP_FILE_RETURNS "."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

/* Whoever holds the lock owns every socket here. */
static void remove_sockets(const char *dir) {
    DIR *entries = opendir(dir);
    if (entries == NULL) return;
    for (const struct dirent *e; (e = readdir(entries)) != NULL;)
        if (is_socket_name(e->d_name)) unlinkat(dirfd(entries), e->d_name, 0);
    closedir(entries);
}

int skep__directory_take(skep_cluster *cluster) {
    const skep_settings *settings = &cluster->settings;
    const char *name = settings->name != NULL ? settings->name : cluster->default_name;
    const char *why;
    char *dir = cluster->instance.dir;
    int status = skep__instance_dir(settings->dir, name, dir, &why);
    if (status != SKEP_OK) return unusable(cluster, settings->dir != NULL ? settings->dir : name, why);
    snprintf(cluster->instance.name, sizeof cluster->instance.name, "%s", name);
    cluster->ephemeral = settings->name == NULL && settings->dir == NULL && getenv(SKEP_ENV_DIR) == NULL;
    status = make_path(cluster, dir);
    if (status == SKEP_OK) status = check_private(cluster, dir);
    if (status == SKEP_OK) status = lock_file(cluster, dir);
    if (status == SKEP_OK) status = write_lock(cluster);
    if (status == SKEP_OK) remove_sockets(dir);
    return status;
}

/* --- workers of another user --- */

static bool is_shared(const struct skep__program *program) {
    return program->set_ids && program->uid != geteuid();
}

/* What was made for the brokers of this user, if the directory is where its name says, may be passed through too. */
static bool open_folder_above(const struct skep__instance *instance) {
    char path[SKEP_MAX_DIR + 1];
    struct stat st;
    if (skep__instance_default_dir(instance->name, path) != SKEP_OK || strcmp(path, instance->dir) != 0) return true;
    *strrchr(path, '/') = '\0';
    return lstat(path, &st) == 0 && (st.st_uid != geteuid() || chmod(path, 0711) == 0);
}

/* A socket for several workers belongs to their user. If they are of several users, its mode lets everybody connect:
 * whom the broker admits is decided by what the kernel says of the peer, as always. */
static bool give_socket(const struct skep__instance *instance, const char *socket, uid_t uid) {
    char path[SKEP_MAX_DIR + 48];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s.%" PRIu64, instance->dir, socket, instance->generation);
    if (lstat(path, &st) != 0) return false;
    if (st.st_uid == uid) return true;
    return st.st_uid == geteuid() ? chown(path, uid, (gid_t)-1) == 0 : chmod(path, 0666) == 0;
}

static int cannot_give(skep_cluster *cluster, uid_t uid) {
    return skep__broker_fail(cluster, SKEP_EACCES, "cannot give the sockets to user %u: %s", uid, strerror(errno));
}

int skep__directory_share(skep_cluster *cluster, const struct skep__program *program) {
    const struct skep__instance *instance = &cluster->instance;
    if (!is_shared(program)) return SKEP_OK;
    if (!skep__hub_trust(cluster->hub, program->uid))
        return skep__broker_fail(cluster, SKEP_ETOOBIG, "workers have had too many different users");
    if (open_folder_above(instance) && chmod(instance->dir, 0711) == 0 &&
        give_socket(instance, SKEP_FILE_OUTBOX, program->uid) && give_socket(instance, SKEP_FILE_NEWS, program->uid))
        return SKEP_OK;
    return cannot_give(cluster, program->uid);
}

int skep__directory_give_inbox(skep_cluster *cluster, uint32_t worker, const struct skep__program *program) {
    char path[SKEP_MAX_DIR + 48];
    const struct skep__instance *instance = &cluster->instance;
    snprintf(path, sizeof path, "%s/%s.%" PRIu64 ".%u", instance->dir, SKEP_FILE_INBOX, instance->generation, worker);
    if (!is_shared(program) || chown(path, program->uid, (gid_t)-1) == 0) return SKEP_OK;
    return cannot_give(cluster, program->uid);
}

void skep__directory_release(skep_cluster *cluster) {
    char path[SKEP_MAX_DIR + 16];
    const char *dir = cluster->instance.dir;
    if (cluster->lock < 0) return;
    remove_sockets(dir);
    if (cluster->ephemeral) {
        snprintf(path, sizeof path, "%s/%s", dir, SKEP_FILE_LOCK);
        unlink(path);
        rmdir(dir);
    }
    close(cluster->lock);
    cluster->lock = -1;
}
