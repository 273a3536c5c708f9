/* SPDX-License-Identifier: MIT
 * The subcommands. Each says itself what went wrong and returns the exit status. */
#ifndef SKEP_COMMAND_SUBCOMMANDS_H
#define SKEP_COMMAND_SUBCOMMANDS_H

#include "command/options.h"

#define GROUP(title)
#define SUBCOMMAND(id, name, function, synopsis, help, example) int function(const struct options *options);
#define MOCK SUBCOMMAND
#include "command/subcommands.def"
#undef GROUP
#undef SUBCOMMAND
#undef MOCK

/* A row of subcommands.def: a subcommand, or the title of those that follow */
struct subcommand {
    const char *group; /* NULL: it is a subcommand */
    const char *name;
    unsigned bit;
    int (*run)(const struct options *options);
    const char *synopsis;
    const char *help;
    const char *example;
};

#endif
