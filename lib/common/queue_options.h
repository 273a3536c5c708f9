/* SPDX-License-Identifier: MIT
 * What may be asked of a queue and of a job: the same of clients, brokers and mock brokers. */
#pragma once

#include <skep/skep.h>

#include "contract.h"

/* Checks the settings of the queue of this name, and completes them. NULL: the defaults. Errors: SKEP_EINVAL; then why
 * is one line, which names the queue, and *options is as it was. */
SKEP_MUST_USE int skep__queue_options_take(const char *name, const skep_queue_options *given,
                                           skep_queue_options *options, char why[SKEP_MAX_REASON + 1]);

/* Checks what a job is submitted with. Errors: SKEP_EINVAL; then why is one line. */
SKEP_MUST_USE int skep__job_options_check(const char *queue, const skep_job_options *options,
                                          char why[SKEP_MAX_REASON + 1]);

/* Checks the size of its payload. Errors: SKEP_ETOOBIG; then why is one line. */
SKEP_MUST_USE int skep__job_size_check(const char *queue, size_t size_bytes, char why[SKEP_MAX_REASON + 1]);
