/* SPDX-License-Identifier: MIT
 * The instance's directory. The lock is an open file description lock: it ends with the broker, however that ends, and
 * looking at it disturbs nobody. The lock file is never removed: two brokers could then lock two files of one name.
 * Nothing is written or removed before all that is there is known to be Skep's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/why.h"
#include "common/safe_path.h"
#include "config/private.h"

enum {
    ENDING_MS = 1000, /* how long to wait for a broker that was killed to let go of the lock */
    ENDING_STEP_MS = 5
};

/* The lock while it is being taken */
struct taking {
    char path[SKEP_MAX_DIR + 16];
    int lock;    /* -1: not opened */
    bool is_new; /* this broker has made it */
};

static int unusable(skep_cluster *cluster, const char *dir, const char *why) {
    return skep__broker_fail(cluster, SKEP_EDIR, "%s: directory cannot be used: %s", dir, why);
}

/* By errno. What this process lacks says nothing about the directory. */
static int failed(skep_cluster *cluster, const char *dir) {
    int status = skep_status_of_errno(errno);
    if (status != SKEP_EMFILE && status != SKEP_ENOMEM) return unusable(cluster, dir, strerror(errno));
    return skep__broker_fail(cluster, status, "%s: %s", dir, skep_strerror(status));
}

/* Something that no broker has made. */
static int strange(skep_cluster *cluster, const char *dir, const char *name) {
    char why[NAME_MAX + 64];
    snprintf(why, sizeof why, "%s in it is not Skep's", name);
    return unusable(cluster, dir, why);
}

/* Makes what is missing of a path. */
static int make_path(skep_cluster *cluster, const char *dir) {
    char path[SKEP_MAX_DIR + 1];
    snprintf(path, sizeof path, "%s", dir);
    for (char *slash = path; slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL) *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) return failed(cluster, dir);
        if (slash != NULL) *slash = '/';
    }
    return SKEP_OK;
}

static int check_path(skep_cluster *cluster, const char *dir) {
    char why[SKEP_MAX_REASON + 1];
    int status = skep__safe_path(dir, geteuid(), why);
    if (status == SKEP_EMFILE) return skep__broker_fail(cluster, status, "%s: %s", dir, skep_strerror(status));
    return status == SKEP_OK ? SKEP_OK : unusable(cluster, dir, why);
}

static int check_private(skep_cluster *cluster, const char *dir) {
    struct stat st;
    char why[80];
    if (lstat(dir, &st) != 0) return failed(cluster, dir);
    if (!S_ISDIR(st.st_mode)) return unusable(cluster, dir, "it is not a directory");
    if (st.st_uid != geteuid()) return unusable(cluster, dir, "it belongs to another user");
    if ((st.st_mode & 066) != 0) { /* being passed through does no harm: the sockets are 0600 */
        snprintf(why, sizeof why, "it is not private (mode %03o, 700 is needed)", (unsigned)(st.st_mode & 0777));
        return unusable(cluster, dir, why);
    }
    return access(dir, W_OK | X_OK) == 0 ? SKEP_OK : failed(cluster, dir);
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

static bool is_text_of_lock(const char *text) {
    int pid, end = 0;
    uint64_t generation;
    char line_feed;
    return sscanf(text, "%d %" SCNu64 " %*[^\n]%c%n", &pid, &generation, &line_feed, &end) == 3 && text[end] == '\0';
}

/* Whether a file of that name is a broker's. One that is empty was left by a broker that ended as it began. */
static bool is_lock(int fd, const struct stat *st) {
    char text[128];
    if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_nlink != 1) return false;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n < 0 || st->st_size != n) return false;
    text[n] = '\0';
    return n == 0 || is_text_of_lock(text);
}

static int open_lock(skep_cluster *cluster, const char *dir, struct taking *taking) {
    static const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY; /* it may be anything */
    struct stat st;
    snprintf(taking->path, sizeof taking->path, "%s/%s", dir, SKEP_FILE_LOCK);
    taking->lock = open(taking->path, flags | O_CREAT | O_EXCL, 0600);
    taking->is_new = taking->lock >= 0;
    if (taking->lock < 0 && errno == EEXIST) taking->lock = open(taking->path, flags);
    if (taking->lock < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
        return strange(cluster, dir, SKEP_FILE_LOCK);
    if (taking->lock < 0) return failed(cluster, dir);
    if (fstat(taking->lock, &st) != 0) return failed(cluster, dir);
    return S_ISREG(st.st_mode) ? SKEP_OK : strange(cluster, dir, SKEP_FILE_LOCK);
}

static int lock_file(skep_cluster *cluster, const char *dir, struct taking *taking) {
    struct stat st;
    int status = open_lock(cluster, dir, taking);
    if (status != SKEP_OK) return status;
    if (!take_lock(taking->lock)) {
        taking->is_new = false;
        return errno == EAGAIN || errno == EACCES ? busy(cluster, dir) : failed(cluster, dir);
    }
    if (fstat(taking->lock, &st) == 0 && is_lock(taking->lock, &st)) return SKEP_OK;
    return strange(cluster, dir, SKEP_FILE_LOCK);
}

static void read_predecessor(skep_cluster *cluster, int lock) {
    char text[64];
    int pid;
    ssize_t n = pread(lock, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%d %" SCNu64, &pid, &cluster->directory->left_generation) == 2) cluster->directory->left_by = pid;
    else cluster->directory->left_generation = 0;
}

/* Over what is there, which stays if the disk is full. */
static int write_lock(skep_cluster *cluster, int lock, uint64_t generation) {
    char text[128];
    struct skep__instance *instance = &cluster->instance;
    instance->pid = getpid();
    instance->generation = generation;
    int length = snprintf(text, sizeof text, "%d %" PRIu64 " %s\n", (int)instance->pid, generation, instance->name);
    if (pwrite(lock, text, (size_t)length, 0) == length && ftruncate(lock, length) == 0) return SKEP_OK;
    return failed(cluster, instance->dir);
}

/* --- what is there --- */

/* Takes ".NUMBER" off a name. */
static bool take_number(const char **name, uint64_t *number) {
    char *end;
    if ((*name)[0] != '.' || (*name)[1] < '1' || (*name)[1] > '9') return false;
    errno = 0;
    *number = strtoull(*name + 1, &end, 10);
    *name = end;
    return errno == 0;
}

/* SOCKET.GENERATION or SOCKET.GENERATION.NUMBER, of a generation that there was. */
static bool is_socket_name(const char *name, uint64_t last) {
    static const char *const sockets[] = {SKEP_FILE_CONTROL, SKEP_FILE_NEWS,   SKEP_FILE_OUTBOX,
                                          SKEP_FILE_INBOX,   SKEP_FILE_INTAKE, SKEP_FILE_RETURNS};
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        size_t length = strlen(sockets[i]);
        const char *rest = name + length;
        uint64_t generation, number;
        if (strncmp(name, sockets[i], length) != 0 || !take_number(&rest, &generation) || generation > last) continue;
        if (rest[0] == '\0' || (take_number(&rest, &number) && rest[0] == '\0')) return true;
    }
    return false;
}

/* A socket that root gave to the user of its workers is of that user's. */
static bool is_own_socket(int dir, const char *name, uint64_t last) {
    struct stat st;
    if (!is_socket_name(name, last) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return false;
    return S_ISSOCK(st.st_mode) && (st.st_uid == geteuid() || geteuid() == 0);
}

/* The sockets of listeners may be there; they are not touched here. */
static bool may_be_here(int dir, const char *name, uint64_t last) {
    struct stat st;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, SKEP_FILE_LOCK) == 0) return true;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
    return S_ISSOCK(st.st_mode) && (is_own_socket(dir, name, last) || !is_socket_name(name, UINT64_MAX));
}

static int check_contents(skep_cluster *cluster, const char *dir, uint64_t last) {
    DIR *entries = opendir(dir);
    int status = SKEP_OK;
    if (entries == NULL) return failed(cluster, dir);
    for (const struct dirent *e; status == SKEP_OK && (e = readdir(entries)) != NULL;)
        if (!may_be_here(dirfd(entries), e->d_name, last)) status = strange(cluster, dir, e->d_name);
    closedir(entries);
    return status;
}

/* The directory may have been removed since, and another broker may have made one of this name: its lock is another
 * file, and its sockets may have the names of ours. */
static bool is_of_another(int dir, const char *path, int lock) {
    struct stat own, there;
    if (fstat(lock, &own) != 0 || fstatat(dir, path, &there, AT_SYMLINK_NOFOLLOW) != 0) return false;
    return own.st_dev != there.st_dev || own.st_ino != there.st_ino;
}

/* Removes what this broker and those before it have left, unless another lock is there now: its holder owns every
 * socket of these generations. */
static void tidy(const char *dir, int lock, uint64_t last, bool with_lock) {
    DIR *entries = opendir(dir);
    if (entries == NULL) return;
    bool ours = !is_of_another(dirfd(entries), SKEP_FILE_LOCK, lock);
    for (const struct dirent *e; ours && (e = readdir(entries)) != NULL;)
        if (is_own_socket(dirfd(entries), e->d_name, last)) unlinkat(dirfd(entries), e->d_name, 0);
    if (ours && with_lock) unlinkat(dirfd(entries), SKEP_FILE_LOCK, 0);
    closedir(entries);
    if (ours && with_lock) rmdir(dir);
}

/* Locks the directory, if all that it holds is Skep's. */
static int take(skep_cluster *cluster, const char *dir) {
    struct taking taking = {.lock = -1};
    int status = lock_file(cluster, dir, &taking);
    if (status == SKEP_OK) read_predecessor(cluster, taking.lock);
    if (status == SKEP_OK) status = check_contents(cluster, dir, cluster->directory->left_generation);
    if (status == SKEP_OK) status = write_lock(cluster, taking.lock, cluster->directory->left_generation + 1);
    if (status == SKEP_OK) {
        tidy(dir, taking.lock, cluster->directory->left_generation, false);
        cluster->directory->lock = taking.lock;
        return SKEP_OK;
    }
    if (taking.is_new) unlink(taking.path);
    if (taking.lock >= 0) close(taking.lock);
    return status;
}

int skep__directory_of_state(skep_cluster *cluster, char dir[SKEP_MAX_DIR + 1]) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *name = cluster->instance.name;
    int length = -1;
    if (cluster->settings.name == NULL) return unusable(cluster, "jobs", "set jobs_dir, or a name of the instance");
    if (geteuid() == 0) length = snprintf(dir, SKEP_MAX_DIR + 1, "/var/lib/skep/%s", name);
    else if (state != NULL && state[0] == '/') length = snprintf(dir, SKEP_MAX_DIR + 1, "%s/skep/%s", state, name);
    else if (home != NULL) length = snprintf(dir, SKEP_MAX_DIR + 1, "%s/.local/state/skep/%s", home, name);
    if (length >= 0 && length <= SKEP_MAX_DIR) return SKEP_OK;
    return unusable(cluster, "jobs", "there is no place for them; say where");
}

int skep__directory_prepare(skep_cluster *cluster, const char *dir) {
    int status = SKEP_OK;
    if (strlen(dir) > SKEP_MAX_DIR) return unusable(cluster, dir, "its name is too long");
    if (access(dir, F_OK) == 0) status = check_private(cluster, dir);
    if (status == SKEP_OK) status = check_path(cluster, dir); /* nothing is made in the places of others */
    if (status == SKEP_OK) status = make_path(cluster, dir);
    if (status == SKEP_OK) status = check_private(cluster, dir);
    return status == SKEP_OK ? check_path(cluster, dir) : status;
}

int skep__directory_take(skep_cluster *cluster) {
    const skep_settings *settings = &cluster->settings;
    const char *name = settings->name != NULL ? settings->name : cluster->directory->default_name;
    const char *why;
    char *dir = cluster->instance.dir;
    int status = skep__instance_dir(settings->dir, name, dir, &why);
    if (status != SKEP_OK) return unusable(cluster, settings->dir != NULL ? settings->dir : name, why);
    snprintf(cluster->instance.name, sizeof cluster->instance.name, "%s", name);
    cluster->directory->ephemeral = settings->name == NULL && settings->dir == NULL && getenv(SKEP_ENV_DIR) == NULL;
    status = skep__directory_prepare(cluster, dir);
    if (status == SKEP_OK) status = take(cluster, dir);
    if (status != SKEP_OK) return status;
    /* an earlier broker may have opened it for workers of another user */
    return chmod(dir, 0700) == 0 ? SKEP_OK : failed(cluster, dir);
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
    const char *advice = errno == EPERM && geteuid() != 0 ? "; only root can start workers as another user" : "";
    return skep__broker_fail(cluster, SKEP_EACCES, "cannot give the sockets to user %u: %s%s", uid, strerror(errno),
                             advice);
}

int skep__directory_share(skep_cluster *cluster, const struct skep__program *program) {
    const struct skep__instance *instance = &cluster->instance;
    int status = skep__directory_check(cluster);
    if (status != SKEP_OK || !is_shared(program)) return status;
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

int skep__directory_check(skep_cluster *cluster) {
    char path[SKEP_MAX_DIR + 16];
    const char *dir = cluster->instance.dir;
    snprintf(path, sizeof path, "%s/%s", dir, SKEP_FILE_LOCK);
    if (is_of_another(AT_FDCWD, path, cluster->directory->lock))
        return unusable(cluster, dir, "it was removed, and another one is in its place");
    if (access(dir, F_OK) != 0 && errno == ENOENT) return unusable(cluster, dir, "it was removed");
    return SKEP_OK;
}

void skep__directory_release(skep_cluster *cluster) {
    if (cluster->directory == NULL || cluster->directory->lock < 0) return;
    tidy(cluster->instance.dir, cluster->directory->lock, cluster->instance.generation, cluster->directory->ephemeral);
    close(cluster->directory->lock);
    cluster->directory->lock = -1;
}

/* --- life --- */

int skep__directory_new(skep_cluster *cluster) {
    struct skep__directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL) return SKEP_ENOMEM;
    directory->lock = -1;
    snprintf(directory->default_name, sizeof directory->default_name, "%.48s-%d", program_invocation_short_name,
             (int)getpid());
    cluster->directory = directory;
    return SKEP_OK;
}

void skep__directory_free(skep_cluster *cluster) {
    free(cluster->directory);
    cluster->directory = NULL;
}

pid_t skep__directory_left_by(const skep_cluster *cluster, uint64_t *generation) {
    *generation = cluster->directory->left_generation;
    return cluster->directory->left_by;
}
