/* SPDX-License-Identifier: MIT
 * Jobs as tables: what peek and dead list print for people. */
#ifndef SKEP_COMMAND_VIEW_JOBS_TEXT_H
#define SKEP_COMMAND_VIEW_JOBS_TEXT_H

#include <jansson.h>

/* The jobs are objects of job_json; cells for people are added to them. */
void jobs_print(json_t *jobs);
void dead_print(json_t *jobs);

#endif
