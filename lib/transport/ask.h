/* SPDX-License-Identifier: MIT
 * Blocking requests to a broker's control socket, for programs without a loop. */
#pragma once

#include "command.h"

typedef struct skep__blocking skep__asker;

/* Errors: SKEP_ECLOSED, SKEP_ENOMEM, SKEP_ESYS. Free with skep__asker_free. */
SKEP_MUST_USE int skep__asker_new(skep__asker **asker, const char *url);

/* Sends a command, waits for the answer and calls back for each command in it. A `failed` answer is returned as its
 * status, its reason in why (as is every other error's). Errors: SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_EPROTO,
 * SKEP_ENOMEM. */
SKEP_MUST_USE int skep__ask(skep__asker *asker, const struct skep_command *command, unsigned timeout_ms,
                            void (*answer)(const struct skep_command *command, void *context), void *context,
                            char why[SKEP_MAX_REASON + 1]);

void skep__asker_free(skep__asker **asker);
