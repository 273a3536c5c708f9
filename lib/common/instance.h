/* SPDX-License-Identifier: MIT
 * Where a broker's directory is, and who owns it. */
#pragma once

#include <skep/status.h>
#include <sys/types.h>

#include "contract.h"

struct skep__instance {
    char dir[SKEP_MAX_DIR + 1];
    char name[SKEP_MAX_NAME + 1];
    pid_t pid;
    uint64_t generation;
};

/* Where an instance lives: dir if given, else SKEP_DIR, else XDG_RUNTIME_DIR/skep/NAME, else /run/skep/NAME for root,
 * else /tmp/skep-UID/NAME. Touches nothing. Errors: SKEP_EDIR, *why (borrowed) says more. */
SKEP_MUST_USE int skep__instance_dir(const char *dir, const char *name, char out[SKEP_MAX_DIR + 1], const char **why);

/* The same if neither a directory is given nor SKEP_DIR is set. Errors: SKEP_EDIR (too long). */
SKEP_MUST_USE int skep__instance_default_dir(const char *name, char out[SKEP_MAX_DIR + 1]);

/* Reads the lock file of a running broker, and waits for nothing. Root may look into the directories of others.
 * Errors: SKEP_ENOBROKER (no directory, no file, or it is not held), SKEP_EACCES (it is another user's), SKEP_EDIR (it
 * cannot be believed: another user may write there or above, or the lock is not a file of the directory's owner),
 * SKEP_EMFILE. */
SKEP_MUST_USE int skep__instance_find(const char *dir, struct skep__instance *instance);

/* The same; on failure why says more. */
SKEP_MUST_USE int skep__instance_find_or_say(const char *dir, struct skep__instance *instance,
                                             char why[SKEP_MAX_REASON + 1]);

/* URL of one of its sockets, such as SKEP_FILE_CONTROL. */
void skep__instance_url(const struct skep__instance *instance, const char *socket, char *url, size_t capacity_bytes);
