/* SPDX-License-Identifier: MIT
 * Bounds in settings.def that others rely on. */
#ifndef SKEP_CONFIG_BOUNDS_H
#define SKEP_CONFIG_BOUNDS_H

enum {
    SKEP__MOST_EXTRA = 64,         /* descriptors of a worker besides its stdio */
    SKEP__MOST_FAILURES = 4096,    /* that settings.failures may ask for */
    SKEP__LEAST_BREAKER_MS = 1000, /* one fork a second, while it is open */
};

#endif
