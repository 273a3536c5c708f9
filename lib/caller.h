/* SPDX-License-Identifier: MIT
 * Questions to a server's socket (REQ) from a libuv loop, several at a time. Everything runs on the loop's thread. */
#ifndef SKEP_CALLER_H
#define SKEP_CALLER_H

#include "port.h"

struct skep__caller;

/* Connects when the server is there, and again if it went away. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__caller_new(struct skep__caller **caller, struct skep__hub *hub, const char *url);

/* The answer, borrowed until it returns; or why there is none: SKEP_ETIMEDOUT, SKEP_ECLOSED, SKEP_ENOMEM, SKEP_ESYS. */
typedef void (*skep__answer_cb)(int status, const void *data, size_t size_bytes, void *context);

/* Asks, once: a question whose answer is lost with the connection is not asked again, but answered with SKEP_ECLOSED.
 * The bytes are copied. The callback follows exactly once, never inside this call. Errors: SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__caller_ask(struct skep__caller *caller, const void *data, size_t size_bytes,
                                   unsigned timeout_ms, skep__answer_cb callback, void *context);

/* Whether some question waits for its answer. */
bool skep__caller_is_asking(const struct skep__caller *caller);

/* Answers what is open with SKEP_ECLOSED, inside this call, and closes the socket behind the loop's back. Sets *caller
 * to NULL. Not from an answer's callback. */
void skep__caller_free(struct skep__caller **caller);

#endif
