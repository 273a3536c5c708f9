/* SPDX-License-Identifier: MIT
 * Hash tables: uthash, which without this would end the process when there is no memory for an element. */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* After HASH_ADD: whether the element is in the table. */
#define SKEP_IS_ADDED(element, handle) ((element)->handle.tbl != NULL)
