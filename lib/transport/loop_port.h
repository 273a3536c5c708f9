/* SPDX-License-Identifier: MIT
 * A port on the loop, inside. */
#pragma once

#include "transport/loop.h"

struct skep__loop_port {
    struct skep__port common; /* first member */
    struct skep__acceptor acceptor;
    struct skep__dialer dialer;
    bool dialed;                   /* it has been connected once */
    LIST_HEAD(, skep__pipe) pipes; /* the latest first */
    bool freed;

    /* PUSH: the frame under way */
    struct skep_frame frame;
    struct skep__outgoing outgoing;
    struct skep__pipe *carrier; /* the connection that has it; NULL: none is there */
    bool sending;               /* there is one */
    bool wake_when_sent;
    bool pushing; /* skep__port_push runs */
    bool finishing, finished;
};

/* Sends a frame to every peer of a PUB port. */
SKEP_MUST_USE int skep__loop_publish(struct skep__loop_port *port, struct skep_frame *frame);
