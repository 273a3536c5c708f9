/* SPDX-License-Identifier: MIT
 * skep mock broker: drives a worker program by a script, and prints what became of each step as TAP does. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/common/say.h"
#include "command/mock/script.h"
#include "command/mock/steps.h"
#include "command/subcommands.h"

enum { EXIT_NOT_OK = 1 };

/* --- what is printed: it is to be seen while the next step waits --- */

static void print_result(bool ok, unsigned number, const char *text) {
    char *printable = strdup(text);
    if (printable != NULL) make_printable(printable);
    printf("%s %u - %s\n", ok ? "ok" : "not ok", number, printable != NULL ? printable : "");
    fflush(stdout);
    free(printable);
}

static void print_why(const char *why) {
    while (*why != '\0') {
        size_t n = strcspn(why, "\n");
        printf("# %.*s\n", (int)n, why);
        why += n + (why[n] == '\n');
    }
    fflush(stdout);
}

/* --- running --- */

/* What a step that did not wait for anything says is said by its status alone. */
static bool run_step(struct drive *drive, const struct step *step, unsigned number) {
    bool explains = strncmp(step->text, "expect", 6) == 0;
    int status = step->run(drive, step);
    print_result(status == SKEP_OK, number, step->text);
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
