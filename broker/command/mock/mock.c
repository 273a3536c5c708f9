/* SPDX-License-Identifier: MIT
 * skep mock worker: a worker that follows a script; and how scripts are read. */
#include <errno.h>
#include <skep/mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command/common/say.h"
#include "command/mock/script.h"
#include "command/subcommands.h"

enum { MAX_SCRIPT_BYTES = 16 * 1024 * 1024 };

static char *read_all(FILE *file) {
    size_t used = 0;
    char *text = malloc(MAX_SCRIPT_BYTES + 1);
    if (text == NULL) return NULL;
    used = fread(text, 1, MAX_SCRIPT_BYTES, file);
    text[used] = '\0';
    char *fitting = realloc(text, used + 1);
    return fitting != NULL ? fitting : text;
}

static bool is_text(const char *path, FILE *file, const char *text) {
    bool failed = text == NULL || ferror(file), cut = !failed && !feof(file) && getc(file) != EOF;
    if (failed) say("mock: %s: %s", path, strerror(errno));
    if (cut) say("mock: %s: more than 16 MiB", path);
    return !failed && !cut;
}

char *script_read(const char *path, int *code) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    *code = EX_NOINPUT;
    if (file == NULL) {
        say("mock: %s: %s", path, strerror(errno));
        return NULL;
    }
    errno = 0;
    char *text = read_all(file);
    bool fits = is_text(path, file, text);
    if (file != stdin) fclose(file);
    if (fits) return text;
    free(text);
    return NULL;
}

/* Nothing is gained by starting it again with the same mistake in its script. */
static int unstartable(const char *path, const char *why) {
    say("mock: %s: %s", path, why);
    return skep_is_worker() ? EX_CONFIG : EXIT_USAGE;
}

int command_mock_worker(const struct options *options) {
    int code;
    char why[SKEP_MOCK_WHY_BYTES];
    char *text = script_read(options->script, &code);
    if (text == NULL) return skep_is_worker() ? EX_CONFIG : code;
    int status = skep_mock_worker_run(text, why);
    free(text);
    if (status == SKEP_OK) return 0;
    if (status == SKEP_EINVAL) return unstartable(options->script, why);
    return fail(status, "mock worker: %s", why);
}
