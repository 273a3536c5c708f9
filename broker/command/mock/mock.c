/* SPDX-License-Identifier: MIT
 * skep mock worker: a worker that follows a script. skep mock broker: drives a worker program by a script, and prints
 * what became of each step as TAP does. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "command/mock/steps.h"
#include "command/subcommands.h"

enum { EXIT_NOT_OK = 1, MAX_SCRIPT_BYTES = 16 * 1024 * 1024 };

/* --- scripts --- */

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

/* Reads all of a file, or of stdin ("-"), as text, which is the caller's to free. NULL: it cannot be read, which was
 * said; *code is the exit status then. */
static char *script_read(const char *path, int *code) {
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

/* --- worker --- */

/* Nothing is gained by starting it again with the same mistake in its script. */
int command_mock_worker(const struct options *options) {
    int code;
    char why[SKEP_MOCK_WHY_BYTES];
    char *text = script_read(options->script, &code);
    if (text == NULL) return skep_is_worker() ? EX_CONFIG : code;
    int status = skep_mock_worker_run(text, why);
    free(text);
    if (status == SKEP_OK) return 0;
    if (status != SKEP_EINVAL) return fail(status, "mock worker: %s", why);
    say("mock: %s: %s", options->script, why);
    return skep_is_worker() ? EX_CONFIG : EXIT_USAGE;
}

/* --- broker: what is printed is to be seen while the next step waits --- */

static void print_why(const char *why) {
    while (*why != '\0') {
        size_t n = strcspn(why, "\n");
        printf("# %.*s\n", (int)n, why);
        why += n + (why[n] == '\n');
    }
    fflush(stdout);
}

/* What a step that did not wait for anything says is said by its status alone. */
static bool run_step(struct drive *drive, const struct step *step, unsigned number) {
    bool explains = strncmp(step->text, "expect", 6) == 0;
    int status = step->run(drive, step);
    printf("%s %u - %s\n", status == SKEP_OK ? "ok" : "not ok", number, step->text);
    fflush(stdout);
    if (status == SKEP_OK) return true;
    if (!explains || status == SKEP_ESTATE) print_why(skep_strerror(status));
    if (status != SKEP_ESTATE) print_why(skep_mock_why(drive->mock));
    return false;
}

static int run_steps(struct drive *drive, const struct steps *steps) {
    const struct step *step;
    unsigned number = 0;
    printf("1..%u\n", steps->count);
    fflush(stdout);
    STAILQ_FOREACH(step, &steps->list, entry) if (!run_step(drive, step, ++number)) return EXIT_NOT_OK;
    return 0;
}

static int start_and_run(struct drive *drive, const struct steps *steps, char *const *program) {
    int status = skep_mock_broker_spawn(drive->mock, (const char *const *)program, NULL, &drive->worker);
    if (status != SKEP_OK) return fail(status, "mock broker: %s: %s", program[0], skep_strerror(status));
    int code = run_steps(drive, steps);
    if (drive->fd >= 0) close(drive->fd);
    return code;
}

static int drive(const struct steps *steps, char *const *program) {
    struct drive drive = {.fd = -1};
    signal(SIGPIPE, SIG_IGN);
    int status = skep_mock_broker_new(&drive.mock, &steps->terms.options);
    for (size_t i = 0; i < steps->terms.queues.count && status == SKEP_OK; i++)
        status =
            skep_mock_setup_queue(drive.mock, steps->terms.queues.list[i].name, &steps->terms.queues.list[i].options);
    int code = status == SKEP_OK ? start_and_run(&drive, steps, program)
                                 : fail(status, "mock broker: %s", skep_strerror(status));
    skep_mock_broker_free(&drive.mock);
    return code;
}

int command_mock_broker(const struct options *options) {
    struct steps steps;
    int code;
    char why[SKEP_MOCK_WHY_BYTES];
    char *text = script_read(options->script, &code);
    if (text == NULL) return code;
    int status = steps_parse(&steps, text, why);
    free(text);
    if (status == SKEP_OK) code = drive(&steps, options->program);
    else code = fail(status, "mock: %s: %s", options->script, why[0] != '\0' ? why : skep_strerror(status));
    steps_free(&steps);
    return code;
}
