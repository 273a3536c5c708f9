/* SPDX-License-Identifier: MIT
 * The table of options. */
#ifndef SKEP_COMMAND_OPTION_ROWS_H
#define SKEP_COMMAND_OPTION_ROWS_H

#include <common/number.h>

#include "command/options.h"

enum option_kind { OPTION_FLAG, OPTION_NUMBER, OPTION_TEXT, OPTION_OTHER };

struct option_row {
    const char *name; /* NULL ends the table */
    char letter;      /* 0 if there is none */
    unsigned subcommands;
    const char *value; /* as the help names it; NULL if the option takes none */
    enum option_kind kind;
    const char *help;
    struct skep__number field; /* of struct options, unless it is another one */
    const char *words;         /* numbers: the default, where it is none; texts: what is named */
    const char *(*set)(struct options *options, const char *value); /* others: returns what is wrong, or NULL */
};

enum { MAX_OPTION_ROWS = 96 };

extern const struct option_row option_rows[];

/* The option behind one, or the first one (NULL), that any of some subcommands takes; NULL at the end. */
const struct option_row *option_next(const struct option_row *row, unsigned subcommands);

enum { OPTION_HELP_BYTES = 256 };

/* Sets one option; returns what is wrong with the value, or NULL. */
const char *option_set(struct options *options, const struct option_row *row, const char *value);

/* The help with bounds and default. */
void option_help(const struct option_row *row, char text[OPTION_HELP_BYTES]);

/* A policy's name, also in SKEP_POLICY: returns what is wrong, or NULL. */
const char *option_policy(const char *name, enum skep_policy *policy);

/* Processors that this process may use, as many as there may be workers at most. */
unsigned option_processors(void);

#endif
