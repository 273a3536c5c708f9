/* SPDX-License-Identifier: MIT
 * Messages with descriptors over the SOCK_SEQPACKET pair between broker and worker. */
#pragma once

#include <skep/status.h>
#include <stdbool.h>

#include "contract.h"

struct skep__link_message {
    char data[SKEP_MAX_LINK];
    size_t size_bytes;
    int fds[SKEP_MAX_BATCH]; /* close-on-exec; the receiver's to close */
    unsigned fd_count;
    bool truncated; /* bytes or descriptors are missing */
};

/* A pair of non-blocking, close-on-exec descriptors. Errors: SKEP_EMFILE, SKEP_ESYS. */
SKEP_MUST_USE int skep__link_pair(int fds[2]);

/* Sends one message with at most SKEP_MAX_BATCH descriptors, which stay the caller's. Errors: SKEP_EAGAIN (the peer is
 * behind), SKEP_EMFILE (too many descriptors are in flight), SKEP_ENOMEM, SKEP_ECLOSED, SKEP_ESYS. Of the latter two
 * and SKEP_EMFILE the link's being writable says nothing. */
SKEP_MUST_USE int skep__link_send(int link, const void *data, size_t size_bytes, const int *fds, unsigned fd_count);

/* Receives one message. Errors: SKEP_EAGAIN (none there), SKEP_ECLOSED (end), SKEP_ESYS. */
SKEP_MUST_USE int skep__link_receive(int link, struct skep__link_message *message);

enum { SKEP__NO_TIMEOUT = 0x7fffffff };

/* Waits until a message or the end is there; timeout_ms may be SKEP__NO_TIMEOUT. Errors: SKEP_ETIMEDOUT, SKEP_ESYS. */
SKEP_MUST_USE int skep__link_wait(int link, unsigned timeout_ms);

/* Waits until a message can be sent. Errors: SKEP_ETIMEDOUT, SKEP_ESYS. */
SKEP_MUST_USE int skep__link_wait_writable(int link, unsigned timeout_ms);
