/* SPDX-License-Identifier: MIT
 * The state of config/. */
#ifndef SKEP_CONFIG_PRIVATE_H
#define SKEP_CONFIG_PRIVATE_H

#include "config/config.h"

struct skep__directory {
    char default_name[SKEP_MAX_NAME + 1]; /* of the instance */
    int lock;                             /* -1: it is not taken */
    pid_t left_by;                        /* the broker that had the directory before, or 0 */
    uint64_t left_generation;
    bool ephemeral; /* the directory goes with the broker */
};

#endif
