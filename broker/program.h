/* SPDX-License-Identifier: MIT
 * What workers are started from, and as whom: what the settings say, or what a reload brings in their place. */
#ifndef SKEP_PROGRAM_H
#define SKEP_PROGRAM_H

#include "broker.h"

/* What the settings say; borrowed from them. */
struct skep__program skep__program_of(const skep_settings *settings);

/* The same with what a reload changes, as copies. Errors: SKEP_ENOMEM. Free with skep__program_free. */
SKEP_MUST_USE int skep__program_changed(struct skep__program *program, const skep_settings *settings,
                                        const skep_reload_options *options);

/* The settings say this from here on. The program, a copy, is what they said before. */
void skep__program_adopt(struct skep__program *program, skep_settings *settings);

void skep__program_free(struct skep__program *program);

/* Whether all of a list are NAME=VALUE; NULL is an empty list. */
bool skep__env_is_valid(const char *const *env);

#endif
