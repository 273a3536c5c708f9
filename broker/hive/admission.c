/* SPDX-License-Identifier: MIT
 * What keeps a worker from being admitted, in words. Without its channels it would take connections and lose every job,
 * message and count. */
#include <sys/stat.h>

#include "hive/private.h"

/* The effective one: the kernel checks that when a process connects. */
static bool find_user(pid_t pid, uid_t *uid) {
    char path[32], line[256];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) found = sscanf(line, "Uid: %*u %u", uid) == 1;
    fclose(file);
    return found;
}

/* Without /proc it has the benefit of the doubt: it is not ready without its channels anyway. */
bool skep__admission_allows(const skep_child *child, char why[SKEP_MAX_REASON + 1]) {
    uid_t uid;
    if (!find_user(child->pid, &uid) || skep__hub_trusts(child->cluster->hub, uid)) return true;
    snprintf(why, SKEP_MAX_REASON + 1,
             "it runs as user %u, which may not connect to its inbox and outbox; to start workers as another "
             "user use --user (skep_settings.uid)",
             uid);
    return false;
}

static bool has_own_root(pid_t pid) {
    struct stat ours, its;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    return stat("/", &ours) == 0 && stat(path, &its) == 0 && (ours.st_dev != its.st_dev || ours.st_ino != its.st_ino);
}

void skep__admission_missing(const skep_child *child, char why[SKEP_MAX_REASON + 1]) {
    const struct skep__progress *progress = child->progress;
    const char *channels = progress->inbox_live > 0    ? "outbox"
                           : progress->outbox_live > 0 ? "inbox"
                                                       : "inbox and outbox";
    why[0] = '\0';
    if (progress->said_ready)
        snprintf(why, SKEP_MAX_REASON + 1, "it reported ready, but %s its %s in %s%s",
                 child->ready_ms != 0 ? "has lost the connection to" : "has not connected to", channels,
                 child->cluster->instance.dir, has_own_root(child->pid) ? ", which is not in its root directory" : "");
}
