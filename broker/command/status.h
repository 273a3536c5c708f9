/* SPDX-License-Identifier: MIT
 * What skep status shows: one JSON object, which the table for people is made from too. */
#ifndef SKEP_COMMAND_STATUS_H
#define SKEP_COMMAND_STATUS_H

#include <command.h>
#include <jansson.h>

/* Adds one command of the answer to status, an object that begins empty. */
void status_add(json_t *status, const struct skep_command *command);

/* Prints the object as a table. */
void status_print_text(const json_t *status, const char *dir);

#endif
