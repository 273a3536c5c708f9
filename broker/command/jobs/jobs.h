/* SPDX-License-Identifier: MIT
 * What the verbs of skep jobs share. */
#ifndef SKEP_COMMAND_JOBS_H
#define SKEP_COMMAND_JOBS_H

#include "command/options.h"

/* Each says itself what went wrong and returns the exit status. */
int jobs_check(const char *dir, const struct options *options);
int jobs_repair(const char *dir, const struct options *options);
int jobs_export(const char *dir, const struct options *options);
int jobs_import(const char *dir, const struct options *options);

/* Says why a directory of jobs cannot be used, and returns the exit status. */
int jobs_fail(int status, const char *why);

#endif
