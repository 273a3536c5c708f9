/* SPDX-License-Identifier: MIT
 * A mock client's way to a mock broker, and bytes as text. */
#ifndef SKEP_LIB_MOCK_CLIENT_H
#define SKEP_LIB_MOCK_CLIENT_H

#include <skep/mock.h>

#include "command.h"

/* A broker in this process, on whose loop a client is: expectations run that. */
struct skep__mock_runner {
    uv_loop_t *loop;
    /* As skep_mock_run_until. */
    int (*run)(void *context, skep_mock_cb is_so, void *subject, unsigned timeout_ms);
    void *context;
};

/* Joins the broker of a directory; NULL: as skep_client_options says. runner is copied; NULL: the broker is elsewhere.
 * Errors: those of skep_client_new. */
SKEP_MUST_USE int skep__mock_client_join(skep_mock_client **client, const char *dir,
                                         const struct skep__mock_runner *runner);

/* Bytes as text in quotes, shortened. Terminates. Returns text. */
const char *skep__mock_quote(struct skep_bytes bytes, char *text, size_t capacity_bytes);

#endif
