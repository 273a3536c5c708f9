/* SPDX-License-Identifier: MIT
 * How a worker meets its broker. */
#pragma once

#include <skep/worker.h>

struct skep__meeting {
    int link;            /* SOCK_SEQPACKET */
    int page;            /* -1: none; what is no page is left alone */
    uint32_t id;         /* valid after `welcome` */
    uint64_t generation; /* 0: unknown */
    /* A broker in the same thread has its turn when the worker is about to wait for it; NULL: it is elsewhere */
    void (*turn)(void *context);
    void *context;
};

/* skep_worker_new over a given link, which belongs to the worker from here on, even if this fails. */
SKEP_MUST_USE int skep__worker_join(skep_worker **worker, const struct skep__meeting *meeting,
                                    const skep_worker_options *options);
