/* SPDX-License-Identifier: MIT
 * The option --queue of skep run. */
#ifndef SKEP_COMMAND_QUEUE_OPTION_H
#define SKEP_COMMAND_QUEUE_OPTION_H

#include "options.h"

/* Takes NAME:KEY=VALUE,... Returns what is wrong with it, or NULL. */
const char *parse_queue_setting(struct queue_settings *queues, const char *text);
const char *add_queue_setting(struct options *options, const char *text);

#endif
