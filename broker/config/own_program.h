/* SPDX-License-Identifier: MIT
 * This program and its arguments: what workers are started from unless the settings say it. */
#ifndef SKEP_CONFIG_OWN_PROGRAM_H
#define SKEP_CONFIG_OWN_PROGRAM_H

#include <skep/skep.h>

/* Its path, not /proc/self/exe, so that a program that was replaced meanwhile is what later forks run. Where /proc is
 * not mounted, a fork will say that there is no /proc/self/exe. NULL: no memory. To be freed. */
char *skep__own_program(void);

/* Its arguments from argv[1] on; none where /proc is not mounted. Errors: SKEP_ENOMEM, SKEP_ESYS (see errno). Free with
 * skep__free_args. */
SKEP_MUST_USE int skep__own_args(char ***args);

#endif
