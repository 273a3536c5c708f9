/* SPDX-License-Identifier: MIT
 * Whether a path can be trusted: only its owner and root may replace it. */
#pragma once

#include <skep/status.h>
#include <sys/types.h>

#include "contract.h"

/* Walks a path of directories from the root, through symbolic links. Each directory and each link must belong to the
 * owner or to root; a directory that others may write to must be sticky. What is missing is no error. Errors:
 * SKEP_EDIR, SKEP_EACCES (it cannot be looked at), SKEP_EMFILE; why says more, and names the directory. */
SKEP_MUST_USE int skep__safe_path(const char *path, uid_t owner, char why[SKEP_MAX_REASON + 1]);
