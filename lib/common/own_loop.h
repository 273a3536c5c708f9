/* SPDX-License-Identifier: MIT
 * Loops that Skep makes where the user gives none. */
#pragma once

#include <skep/status.h>
#include <uv.h>

/* As uv_loop_init, which ends the process where there are too few descriptors. Errors: SKEP_EMFILE, SKEP_ENOMEM,
 * SKEP_ESYS. */
SKEP_MUST_USE int skep__own_loop_init(uv_loop_t *loop);
