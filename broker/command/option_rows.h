/* SPDX-License-Identifier: MIT
 * The table of options. */
#ifndef SKEP_COMMAND_OPTION_ROWS_H
#define SKEP_COMMAND_OPTION_ROWS_H

#include "command/options.h"

/* Sets one option; returns what is wrong with the value, or NULL. */
typedef const char *set_option(struct options *options, const char *value);

struct option_row {
    const char *name; /* NULL ends the table */
    char letter;      /* 0 if there is none */
    unsigned subcommands;
    const char *value; /* as the help names it; NULL if the option takes none */
    set_option *set;
    const char *help;
};

enum { MAX_OPTION_ROWS = 96 };

extern const struct option_row option_rows[];

/* Also for SKEP_POLICY. */
set_option set_policy;

/* Processors that this process may use, as many as there may be workers at most. */
unsigned option_processors(void);

#endif
