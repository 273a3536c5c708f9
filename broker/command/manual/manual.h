/* SPDX-License-Identifier: MIT
 * The manual page and the shells' completions, from the tables that the command itself is made of. */
#ifndef SKEP_COMMAND_MANUAL_MANUAL_H
#define SKEP_COMMAND_MANUAL_MANUAL_H

#include "command/option_rows.h"

/* A row of subcommands.def: a subcommand, or the title of those that follow */
struct manual_row {
    const char *group; /* NULL: it is a subcommand */
    const char *name, *synopsis, *help, *example;
    unsigned bit;
};

/* Those that are shown, all zero at the end. */
extern const struct manual_row manual_rows[];

bool manual_is_end(const struct manual_row *row);
bool manual_is_shown(const struct manual_row *row);

/* What an option's value or an operand is completed with. */
enum source {
    SOURCE_NONE,
    SOURCE_WORKERS, /* up to instances: skep complete tells them */
    SOURCE_LISTENERS,
    SOURCE_QUEUES,
    SOURCE_GROUPS,
    SOURCE_NAMES, /* of listeners and of queues */
    SOURCE_ONES,  /* workers and groups */
    SOURCE_INSTANCES,
    SOURCE_SIGNALS, /* up to verbs: words that are known */
    SOURCE_POLICIES,
    SOURCE_VERBS, /* of dead */
    SOURCE_FILES,
    SOURCE_FOLDERS,
    SOURCE_PROGRAMS,
    SOURCES
};

/* Its name in the scripts. */
const char *source_name(enum source source);

/* Words with spaces between them; NULL if it has none. */
const char *source_words(enum source source);

enum source source_of_value(const struct option_row *row);

enum { MANUAL_OPERANDS = 2 };

/* The last one counts for all that follow. */
enum source source_of_operand(unsigned subcommand, int position);

/* A line of a template such as @COMMANDS@, and what is written in its place */
struct mark {
    const char *line; /* NULL ends the list */
    void (*write)(void);
};

extern const struct mark man_marks[], bash_marks[], zsh_marks[], fish_marks[];

#endif
