/* SPDX-License-Identifier: MIT
 * Jobs as tables: what peek and dead list print for people. */
#ifndef SKEP_COMMAND_VIEW_JOBS_TEXT_H
#define SKEP_COMMAND_VIEW_JOBS_TEXT_H

#include <jansson.h>

/* The jobs are objects made of jobStatus. */
void jobs_print(const json_t *jobs);
void dead_print(const json_t *jobs);

#endif
