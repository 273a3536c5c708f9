/* SPDX-License-Identifier: MIT
 * The option --group of skep run. */
#ifndef SKEP_COMMAND_RUN_GROUP_OPTION_H
#define SKEP_COMMAND_RUN_GROUP_OPTION_H

#include "command/options.h"

/* Takes NAME:N:COMMAND. Returns what is wrong with it, or NULL. */
const char *add_group(struct options *options, const char *text);

/* The words of a command, NULL-terminated, in one block to be freed. NULL: no memory. */
char **split_command(const char *command);

/* A name for the group of a program: that of its file, with '_' for what a name cannot have. */
void group_of_program(const char *program, char name[65]);

#endif
