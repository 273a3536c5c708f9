/* SPDX-License-Identifier: MIT
 * Follows a broker's news, blocking, for programs without a loop. */
#pragma once

#include "command.h"

typedef struct skep__blocking skep__news_reader;

/* Dials; subscribed when this returns. Errors: SKEP_ECLOSED, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__news_reader_new(skep__news_reader **reader, const char *url);

/* Waits for the next frame of news and calls back for each command in it. Errors: SKEP_ETIMEDOUT after timeout_ms;
 * SKEP_ECLOSED once the broker's socket has gone; SKEP_EPROTO. */
SKEP_MUST_USE int skep__news_read(skep__news_reader *reader, unsigned timeout_ms,
                                  void (*item)(const struct skep_command *command, void *context), void *context);

/* A descriptor that can be read from while there are news to be read, or the socket has gone: to be polled, not read.
 */
int skep__news_reader_fd(const skep__news_reader *reader);

void skep__news_reader_free(skep__news_reader **reader);
