/* SPDX-License-Identifier: MIT
 * The subcommands. Each says itself what went wrong and returns the exit status. */
#ifndef SKEP_COMMAND_SUBCOMMANDS_H
#define SKEP_COMMAND_SUBCOMMANDS_H

#include "options.h"

int command_run(const struct options *options);
int command_status(const struct options *options);
int command_events(const struct options *options);
int command_stop(const struct options *options);

#endif
