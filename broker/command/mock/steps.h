/* SPDX-License-Identifier: MIT
 * The script of a mock broker: steps, each something that is done to a worker or expected of it. docs/mock.md describes
 * the language. */
#ifndef SKEP_COMMAND_MOCK_STEPS_H
#define SKEP_COMMAND_MOCK_STEPS_H

#include <mock/words.h>
#include <skep/mock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "command/common/say.h"
#include "command/run/run_options.h"

/* --- terms.c: what a script says of the broker, of queues and of jobs --- */

struct mock_terms {
    skep_mock_options options;
    struct queue_settings queues;
};

/* Whether a line begins with the name of a setting. */
bool is_setting(const struct skep__words *words);

/* Takes the setting that the line begins with. Errors: SKEP_EINVAL. */
SKEP_MUST_USE int take_setting(struct skep__words *words, struct mock_terms *terms);

/* Takes KEYWORD VALUE, any number of them, to the line's end. Errors: SKEP_EINVAL. */
SKEP_MUST_USE int take_job_options(struct skep__words *words, skep_job_options *options);

/* --- steps.c --- */

/* A mock broker that drives a worker program */
struct drive {
    skep_mock *mock;
    uint32_t worker;  /* the program */
    uint64_t request; /* of the mock's, the latest */
    uint64_t theirs;  /* of the worker's, the latest that was expected */
    int fd;           /* of the latest connection; -1: none */
};

struct step;
typedef int step_run(struct drive *drive, const struct step *step);

/* What a step's line has said. All strings are the script's. */
struct step {
    STAILQ_ENTRY(step) entry;
    const char *text; /* the line */
    step_run *run;
    unsigned timeout_ms;
    uint64_t number; /* of a job, a count, a time, an exit status or a signal */
    int64_t delay_ms;
    const char *name;
    struct skep__word data; /* text NULL: any */
    skep_job_options options;
};

struct steps {
    char *text, *lines; /* for words, and as it was */
    struct mock_terms terms;
    unsigned count;
    STAILQ_HEAD(, step) list;
};

/* Errors: SKEP_EINVAL, and why is one line; SKEP_ENOMEM. Free with steps_free in either case. */
SKEP_MUST_USE int steps_parse(struct steps *steps, const char *text, char why[SKEP_MOCK_WHY_BYTES]);
void steps_free(struct steps *steps);

/* --- verbs.c --- */

/* A row of verbs.def, which explains its arguments */
struct verb {
    const char *name;
    const char *arguments;
    bool expects; /* its line begins with expect */
    step_run *run;
};

/* The verb that a line begins with, which is taken; NULL: none. */
const struct verb *verb_take(struct skep__words *words);

#endif
