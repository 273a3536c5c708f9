/* SPDX-License-Identifier: MIT
 * The subcommands. Each says itself what went wrong and returns the exit status. */
#ifndef SKEP_COMMAND_SUBCOMMANDS_H
#define SKEP_COMMAND_SUBCOMMANDS_H

#include "options.h"

int command_run(const struct options *options);
int command_status(const struct options *options);
int command_events(const struct options *options);
int command_stop(const struct options *options);
int command_submit(const struct options *options);
int command_queues(const struct options *options);
int command_peek(const struct options *options);
int command_dead(const struct options *options);
int command_send(const struct options *options);
int command_call(const struct options *options);
int command_mock_worker(const struct options *options);
int command_mock_broker(const struct options *options);

#endif
