/* SPDX-License-Identifier: MIT
 * Who this process is: read from the environment before main(). */
#pragma once

#include <stdint.h>

/* SKEP_WORKER_ID at start; 0 if there was none. */
uint32_t skep__identity_worker(void);

/* SKEP_GENERATION at start; 0 if there was none. */
uint64_t skep__identity_generation(void);
