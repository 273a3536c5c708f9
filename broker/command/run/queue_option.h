/* SPDX-License-Identifier: MIT
 * The option --queue of skep run. */
#ifndef SKEP_COMMAND_RUN_QUEUE_OPTION_H
#define SKEP_COMMAND_RUN_QUEUE_OPTION_H

#include "command/options.h"

/* Takes NAME:KEY=VALUE,... Returns what is wrong with it, or NULL. */
const char *parse_queue_setting(struct queue_settings *queues, const char *text);

/* Calls show for each KEY, with what its value is called and a line of help, as the help and the manual page list them.
 */
typedef void queue_key_cb(const char *key, const char *value, const char *help);
void each_queue_key(queue_key_cb *show);

#endif
