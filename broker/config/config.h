/* SPDX-License-Identifier: MIT
 * Settings, checked and copied (settings.h); the program that they name; the instance's directory, made, checked,
 * owned. */
#ifndef SKEP_CONFIG_CONFIG_H
#define SKEP_CONFIG_CONFIG_H

#include "broker.h"
#include "config/settings.h"

/* --- program and user of the workers: from the settings, or from a reload --- */

struct skep__program {
    const char *exec;
    const char *const *args; /* from argv[1] on */
    const char *cwd;         /* NULL: the broker's */
    const char *const *env;  /* beside the inherited variables; NULL: nothing */
    bool set_ids, set_umask;
    uid_t uid;
    gid_t gid;
    mode_t umask;
};

/* What the settings say; borrowed from them. */
struct skep__program skep__program_of(const skep_settings *settings);

/* The same with what a reload changes, as copies; out may be before, which is not freed. Errors: SKEP_ENOMEM. Free with
 * skep__program_free. */
SKEP_MUST_USE int skep__program_changed(struct skep__program *out, const struct skep__program *before,
                                        const skep_reload_options *options);

/* The reload that changes what is set in a program; borrowed from it. */
skep_reload_options skep__program_wishes(const struct skep__program *program);

/* Whether what was set in before is the same in after; NULL and unset ids or umask are no wish. */
bool skep__program_keeps(const struct skep__program *after, const struct skep__program *before);

/* The settings say this from here on. The program, a copy, is what they said before. */
void skep__program_adopt(struct skep__program *program, skep_settings *settings);

void skep__program_free(struct skep__program *program);

/* This program's path, not /proc/self/exe, so that a program that was replaced meanwhile is what later forks run. Where
 * /proc is not mounted, a fork will say that there is no /proc/self/exe. NULL: no memory. To be freed. */
char *skep__own_program(void);

/* Its arguments from argv[1] on; none where /proc is not mounted. Errors: SKEP_ENOMEM, SKEP_ESYS (see errno). Free with
 * skep__free_args. */
SKEP_MUST_USE int skep__own_args(char ***args);

/* Copies of arguments. NULL: no memory. To be freed with the other. */
char **skep__copy_args(const char *const *args);
void skep__free_args(const char *const *args);

/* --- the directory --- */

/* Makes what the room has of a cluster, and frees it. Errors: SKEP_ENOMEM. */
SKEP_MUST_USE int skep__directory_new(skep_cluster *cluster);
void skep__directory_free(skep_cluster *cluster);

/* Makes the directory (0700) if it is missing, checks that it is private, that nobody else may write above it and that
 * it holds nothing but Skep's files and sockets, takes its lock, removes the sockets of brokers that are gone. Fills
 * cluster.instance. Errors: SKEP_EDIR, SKEP_EBUSY, SKEP_EMFILE, SKEP_ENOMEM, with nothing touched. */
SKEP_MUST_USE int skep__directory_take(skep_cluster *cluster);

/* Where what outlasts the broker is kept, if nothing else is said: by the name of the instance, /var/lib/skep/NAME for
 * root, else skep/NAME in XDG_STATE_HOME or ~/.local/state. Errors: SKEP_EDIR (it has no name, or there is no such
 * place). */
SKEP_MUST_USE int skep__directory_of_state(skep_cluster *cluster, char dir[SKEP_MAX_DIR + 1]);

/* Makes a directory (0700) for something else if it is missing, and checks that it is private and that nobody else may
 * write above it. Errors: SKEP_EDIR, SKEP_EMFILE, SKEP_ENOMEM. */
SKEP_MUST_USE int skep__directory_prepare(skep_cluster *cluster, const char *dir);

/* To be called before something is made in the directory. Errors: SKEP_EDIR (it is not there any more, or another
 * broker's is in its place). */
SKEP_MUST_USE int skep__directory_check(skep_cluster *cluster);

/* Checks it for a worker. If the program runs as another user: lets that user pass through the directory and connect to
 * outbox and news. Errors: as above, SKEP_EACCES, SKEP_ETOOBIG (workers have had too many different users). */
SKEP_MUST_USE int skep__directory_share(skep_cluster *cluster, const struct skep__program *program);

/* The same user gets the inbox of a worker. Errors: SKEP_EACCES. */
SKEP_MUST_USE int skep__directory_give_inbox(skep_cluster *cluster, uint32_t worker,
                                             const struct skep__program *program);

/* Removes the sockets of this broker; the directory too if it is ephemeral. Touches nothing of
 * another broker's directory that is in its place. */
void skep__directory_release(skep_cluster *cluster);

/* Process and generation of the broker that had the directory before; 0: there was none. */
pid_t skep__directory_left_by(const skep_cluster *cluster, uint64_t *generation);

#endif
