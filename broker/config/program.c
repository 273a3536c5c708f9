/* SPDX-License-Identifier: MIT
 * What workers are started from. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

struct skep__program skep__program_of(const skep_settings *s) {
    return (struct skep__program){.exec = s->exec,
                                  .args = s->args,
                                  .cwd = s->cwd,
                                  .env = s->env,
                                  .set_ids = s->set_ids,
                                  .uid = s->uid,
                                  .gid = s->gid,
                                  .set_umask = s->set_umask,
                                  .umask = s->umask};
}

static void put_into(skep_settings *s, const struct skep__program *program) {
    s->exec = program->exec;
    s->args = program->args;
    s->cwd = program->cwd;
    s->env = program->env;
    s->set_ids = program->set_ids;
    s->uid = program->uid;
    s->gid = program->gid;
    s->set_umask = program->set_umask;
    s->umask = program->umask;
}

skep_reload_options skep__program_wishes(const struct skep__program *program) {
    return (skep_reload_options){.exec = program->exec,
                                 .args = program->args,
                                 .cwd = program->cwd,
                                 .env = program->env,
                                 .set_ids = program->set_ids,
                                 .uid = program->uid,
                                 .gid = program->gid,
                                 .set_umask = program->set_umask,
                                 .umask = program->umask};
}

void skep__program_adopt(struct skep__program *program, skep_settings *settings) {
    struct skep__program before = skep__program_of(settings);
    put_into(settings, program);
    *program = before;
}

void skep__program_free(struct skep__program *program) {
    free((void *)program->exec);
    free((void *)program->cwd);
    skep__free_args(program->args);
    skep__free_args(program->env);
    *program = (struct skep__program){0};
}

/* --- environment --- */

static size_t count(const char *const *list) {
    size_t n = 0;
    while (list != NULL && list[n] != NULL) n++;
    return n;
}

/* Whether a later one of the list, or one of more, has the same name. */
static bool is_replaced(const char *variable, const char *const *rest, const char *const *more) {
    size_t length = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < count(rest); i++)
        if (strncmp(rest[i], variable, length) == 0) return true;
    return more != NULL && is_replaced(variable, more, NULL);
}

/* Borrowed strings in a list to be freed. NULL: no memory. */
static const char **join(const char *const *env, const char *const *more) {
    const char **joined = calloc(count(env) + count(more) + 1, sizeof *joined);
    size_t used = 0;
    if (joined == NULL) return NULL;
    for (size_t i = 0; i < count(env); i++)
        if (!is_replaced(env[i], &env[i + 1], more)) joined[used++] = env[i];
    for (size_t i = 0; i < count(more); i++) joined[used++] = more[i];
    return joined;
}

static const char *const *copy_joined(const char *const *env, const char *const *more) {
    const char **joined = join(env, more);
    char **copy = joined != NULL ? skep__copy_args(joined) : NULL;
    free(joined);
    return (const char *const *)copy;
}

/* --- whether one does what another one asked for --- */

static bool has_text(const char *text, const char *wanted) {
    return wanted == NULL || (text != NULL && strcmp(text, wanted) == 0);
}

static bool has_args(const char *const *args, const char *const *wanted) {
    if (wanted == NULL) return true;
    if (args == NULL || count(args) != count(wanted)) return false;
    for (size_t i = 0; i < count(wanted); i++)
        if (strcmp(args[i], wanted[i]) != 0) return false;
    return true;
}

static bool has_variable(const char *const *env, const char *wanted) {
    for (size_t i = 0; i < count(env); i++)
        if (strcmp(env[i], wanted) == 0) return true;
    return false;
}

bool skep__program_keeps(const struct skep__program *after, const struct skep__program *before) {
    for (size_t i = 0; i < count(before->env); i++)
        if (!has_variable(after->env, before->env[i])) return false;
    if (before->set_ids && (!after->set_ids || after->uid != before->uid || after->gid != before->gid)) return false;
    if (before->set_umask && (!after->set_umask || after->umask != before->umask)) return false;
    return has_text(after->exec, before->exec) && has_text(after->cwd, before->cwd) &&
           has_args(after->args, before->args);
}

/* --- a reload's --- */

static void change(struct skep__program *program, const skep_reload_options *options) {
    if (options->exec != NULL) program->exec = options->exec;
    if (options->args != NULL) program->args = options->args;
    if (options->cwd != NULL) program->cwd = options->cwd;
    if (options->set_ids) program->uid = options->uid, program->gid = options->gid, program->set_ids = true;
    if (options->set_umask) program->umask = options->umask, program->set_umask = true;
}

static char *copy_text(const char *text, bool *failed) {
    char *copy = text != NULL ? strdup(text) : NULL;
    *failed = *failed || (text != NULL && copy == NULL);
    return copy;
}

int skep__program_changed(struct skep__program *out, const struct skep__program *before,
                          const skep_reload_options *options) {
    struct skep__program program = *before;
    bool failed = false;
    change(&program, options);
    bool has_args = program.args != NULL;
    program.exec = copy_text(program.exec, &failed);
    program.cwd = copy_text(program.cwd, &failed);
    program.args = has_args ? (const char *const *)skep__copy_args(program.args) : NULL;
    program.env = copy_joined(program.env, options->env);
    if (!failed && (!has_args || program.args != NULL) && program.env != NULL) {
        *out = program;
        return SKEP_OK;
    }
    skep__program_free(&program);
    return SKEP_ENOMEM;
}
