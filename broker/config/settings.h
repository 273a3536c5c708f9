/* SPDX-License-Identifier: MIT
 * Settings: defaults and copies. */
#ifndef SKEP_CONFIG_SETTINGS_H
#define SKEP_CONFIG_SETTINGS_H

#include "broker.h"

/* Bounds in settings.def that others rely on */
enum {
    SKEP__MOST_EXTRA = 64,         /* descriptors of a worker besides its stdio */
    SKEP__MOST_FAILURES = 4096,    /* that settings.failures may ask for */
    SKEP__LEAST_BREAKER_MS = 1000, /* one fork a second, while it is open */
};

/* Checks the settings, fills defaults in, and takes a copy of them, which may be of the group's own; what is frozen
 * stays. Where that fails all is as it was. Errors: SKEP_EINVAL, SKEP_ENOMEM, SKEP_ESYS (this program's arguments
 * cannot be read). */
SKEP_MUST_USE int skep__settings_take(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *settings);

/* The same, but what is 0, NULL or false keeps its present value. */
SKEP_MUST_USE int skep__settings_add(skep_cluster *cluster, struct skep__terms *terms, const skep_settings *settings);

/* The policy stays as it is from here on. Errors: SKEP_EINVAL (SKEP_POLICY of the environment is none). */
SKEP_MUST_USE int skep__settings_freeze(skep_cluster *cluster, struct skep__terms *terms);

/* Errors: SKEP_EINVAL, with a reason. */
SKEP_MUST_USE int skep__settings_check_group(skep_cluster *cluster, const char *name);

void skep__settings_free(skep_settings *settings);

/* Whether all of a list are NAME=VALUE; NULL is an empty list. */
bool skep__env_is_valid(const char *const *env);

#endif
