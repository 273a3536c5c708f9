/* SPDX-License-Identifier: MIT
 * The options --group and --queue of skep run: what they name is described in one word. */
#ifndef SKEP_COMMAND_RUN_RUN_OPTIONS_H
#define SKEP_COMMAND_RUN_RUN_OPTIONS_H

#include "command/options.h"

/* Takes NAME:N:COMMAND. Returns what is wrong with it, or NULL. */
const char *add_group(struct options *options, const char *text);

/* The words of a command, NULL-terminated, in one block to be freed. NULL: no memory. */
char **split_command(const char *command);

/* A name for the group of a program: that of its file, with '_' for what a name cannot have. */
void group_of_program(const char *program, char name[65]);

/* Takes NAME:KEY=VALUE,... Returns what is wrong with it, or NULL. */
const char *parse_queue_setting(struct queue_settings *queues, const char *text);

/* Calls show for each KEY, with what its value is called and a line of help, as the help and the manual page list them.
 */
typedef void queue_key_cb(const char *key, const char *value, const char *help);
void each_queue_key(queue_key_cb *show);

#endif
