/* SPDX-License-Identifier: MIT
 * From a member to what contains it. */
#ifndef SKEP_LIB_COMMON_CONTAINER_H
#define SKEP_LIB_COMMON_CONTAINER_H

#include <stddef.h>

/* The object that has a member at this address */
#define SKEP_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
