/* SPDX-License-Identifier: MIT
 * What workers are started from: by the settings, by a reload, or this program. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

enum { STEP_BYTES = 8192 };

/* --- lists --- */

static size_t count(const char *const *list) {
    size_t n = 0;
    while (list != NULL && list[n] != NULL) n++;
    return n;
}

char **skep__copy_args(const char *const *list) {
    char **copy = calloc(count(list) + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && list[i] != NULL; i++) {
        if ((copy[i] = strdup(list[i])) != NULL) continue;
        skep__free_args((const char *const *)copy);
        return NULL;
    }
    return copy;
}

void skep__free_args(const char *const *list) {
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) free((void *)list[i]);
    free((void *)list);
}

/* --- from one struct to another: their fields have the same names --- */

#define FIELDS(copy) \
    copy(exec) copy(args) copy(cwd) copy(env) copy(set_ids) copy(uid) copy(gid) copy(set_umask) copy(umask)

struct skep__program skep__program_of(const skep_settings *settings) {
#define COPY(field) .field = settings->field,
    return (struct skep__program){FIELDS(COPY)};
#undef COPY
}

skep_reload_options skep__program_wishes(const struct skep__program *program) {
#define COPY(field) .field = program->field,
    return (skep_reload_options){FIELDS(COPY)};
#undef COPY
}

void skep__program_adopt(struct skep__program *program, skep_settings *settings) {
    struct skep__program before = skep__program_of(settings);
#define COPY(field) settings->field = program->field;
    FIELDS(COPY)
#undef COPY
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
    const char **env = join(program.env, options->env);
    program.env = env != NULL ? (const char *const *)skep__copy_args(env) : NULL;
    free(env);
    if (!failed && (!has_args || program.args != NULL) && program.env != NULL) {
        *out = program;
        return SKEP_OK;
    }
    skep__program_free(&program);
    return SKEP_ENOMEM;
}

/* --- this program's --- */

char *skep__own_program(void) {
    static const char link[] = "/proc/self/exe";
    char path[PATH_MAX];
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return strdup(link);
    path[length] = '\0';
    return strdup(path);
}

/* All of a file, with a terminator. NULL: see errno. */
static char *read_all(int fd, size_t *size_bytes) {
    char *text = NULL;
    size_t used = 0;
    for (ssize_t n = 1; n > 0; used += (size_t)n) {
        char *larger = realloc(text, used + STEP_BYTES);
        n = larger != NULL ? read(fd, larger + used, STEP_BYTES - 1) : -1;
        if (larger != NULL) text = larger;
        if (n >= 0) continue;
        free(text);
        return NULL;
    }
    text[used] = '\0';
    *size_bytes = used;
    return text;
}

/* Texts one behind another, without the first, as a list. NULL: no memory. */
static char **list_of(const char *text, size_t size_bytes) {
    size_t count = 0;
    const char **list = calloc(size_bytes + 1, sizeof *list);
    if (list == NULL) return NULL;
    for (const char *at = text + strlen(text) + 1; at < text + size_bytes; at += strlen(at) + 1) list[count++] = at;
    char **copy = skep__copy_args(list);
    free(list);
    return copy;
}

int skep__own_args(char ***args) {
    size_t size_bytes = 0;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) return SKEP_ESYS;
    char *text = fd >= 0 ? read_all(fd, &size_bytes) : strdup("");
    int reason = errno;
    if (fd >= 0) close(fd);
    if (text == NULL) return reason == ENOMEM ? SKEP_ENOMEM : SKEP_ESYS;
    *args = list_of(text, size_bytes);
    free(text);
    return *args != NULL ? SKEP_OK : SKEP_ENOMEM;
}
