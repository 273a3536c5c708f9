/* SPDX-License-Identifier: MIT
 * Settings of a queue as a broker and a mock broker take them. */
#ifndef SKEP_LIB_COMMON_QUEUE_OPTIONS_H
#define SKEP_LIB_COMMON_QUEUE_OPTIONS_H

#include <skep/skep.h>

#include "contract.h"

/* Checks the settings of the queue of this name, and completes them. NULL: the defaults. Errors: SKEP_EINVAL; then why
 * is one line, which names the queue, and *options is as it was. */
SKEP_MUST_USE int skep__queue_options_take(const char *name, const skep_queue_options *given,
                                           skep_queue_options *options, char why[SKEP_MAX_REASON + 1]);

#endif
