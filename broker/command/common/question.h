/* SPDX-License-Identifier: MIT
 * One question to a broker whose answer is a list: what queues, peek, dead and exits have in common. */
#ifndef SKEP_COMMAND_COMMON_QUESTION_H
#define SKEP_COMMAND_COMMON_QUESTION_H

#include <jansson.h>

#include "command/common/contact.h"

/* Asks and gathers each command of the kind as an object in a new array. Returns 0; or says what is wrong and returns
 * the exit status. */
int ask_list(struct contact *contact, const struct skep_command *question, enum skep_command_id kind, json_t **list);

/* Prints an object whose only member is the list. */
void print_list(const char *key, json_t *list);

#endif
