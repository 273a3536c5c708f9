/* SPDX-License-Identifier: MIT
 * From a member to what contains it. */
#pragma once

#include <stddef.h>

/* The object that has a member at this address */
#define SKEP_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
