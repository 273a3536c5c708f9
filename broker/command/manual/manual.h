/* SPDX-License-Identifier: MIT
 * The manual page and the shells' completions, from the tables that the command itself is made of. */
#ifndef SKEP_COMMAND_MANUAL_MANUAL_H
#define SKEP_COMMAND_MANUAL_MANUAL_H

#include "command/option_rows.h"
#include "command/subcommands.h"

/* What an option's value or an operand is completed with: the rows of sources.def, by their numbers. */
enum source_number {
#define SOURCE(id, ...) SOURCE_##id,
#include "command/manual/sources.def"
    SOURCES
};

struct source {
    const char *name, *words;
    const char *values[2];
    const char *zsh, *fish;
};

extern const struct source sources[SOURCES];

/* SOURCE_NONE of the rows if there is none. */
const struct source *source_of_value(const struct option_row *row);

enum { MANUAL_OPERANDS = 2 };

/* The last one counts for all that follow. */
const struct source *source_of_operand(const struct subcommand *subcommand, int position);

/* A line of a template such as @COMMANDS@, and what is written in its place */
struct mark {
    const char *line; /* NULL ends the list */
    void (*write)(void);
    void (*write_each)(const struct subcommand *row); /* called for each that is shown, where write is NULL */
};

extern const struct mark man_marks[], bash_marks[], zsh_marks[], fish_marks[];

#endif
