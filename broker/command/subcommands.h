/* SPDX-License-Identifier: MIT
 * The subcommands. Each says itself what went wrong and returns the exit status. */
#ifndef SKEP_COMMAND_SUBCOMMANDS_H
#define SKEP_COMMAND_SUBCOMMANDS_H

#include "command/options.h"

#define SUBCOMMAND(id, name, function, ...) int function(const struct options *options);
#include "command/subcommands.def"

/* A row of subcommands.def: a subcommand, or the title of those that follow */
struct subcommand {
    const char *group; /* NULL: it is a subcommand */
    const char *name;  /* NULL ends the rows */
    enum subcommand_number number;
    unsigned bit;
    const char *synopsis, *help, *example;
    int least_operands;
    const char *operands[MAX_OPERANDS];
};

extern const struct subcommand subcommands[];

/* The subcommand behind one, or the first one (NULL), of those that are documented; NULL at the end. */
const struct subcommand *subcommand_next(const struct subcommand *row);

/* Whether it is a subcommand that is documented. */
bool subcommand_is_shown(const struct subcommand *row);

#endif
