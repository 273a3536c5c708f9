/* SPDX-License-Identifier: MIT
 * One question to a broker whose answer is a list: what queues, peek and dead have in common. */
#ifndef SKEP_COMMAND_COMMON_QUESTION_H
#define SKEP_COMMAND_COMMON_QUESTION_H

#include <jansson.h>

#include "command/common/contact.h"

/* Asks and gathers each command of the kind as an object in a new array. Returns 0; or says what is wrong and returns
 * the exit status. */
int ask_list(struct contact *contact, const struct skep_command *question, enum skep_command_id kind,
             json_t *(*convert)(const struct skep_command *command), json_t **list);

/* A queue or a job as an object; NULL if there is no memory. */
json_t *queue_json(const struct skep_command *command);
json_t *job_json(const struct skep_command *command);

#endif
