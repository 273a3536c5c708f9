/* SPDX-License-Identifier: MIT
 * Program and user of the workers: from the settings, or from a reload. */
#ifndef SKEP_WORKER_PROGRAM_H
#define SKEP_WORKER_PROGRAM_H

#include <skep/cluster.h>
#include <stdbool.h>
#include <sys/types.h>

/* Program and user of a worker */
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

#endif
