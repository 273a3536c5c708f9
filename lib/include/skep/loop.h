/* SPDX-License-Identifier: MIT
 * The loop that Skep runs on: libuv's. <uv.h> needs POSIX, which compilers hide under -std=c11 unless a program asks
 * for it (_POSIX_C_SOURCE=200809L, _DEFAULT_SOURCE or _GNU_SOURCE before its first header): then only the name of the
 * loop's type is declared here, which is all that Skep's own headers need. */
#ifndef SKEP_LOOP_H
#define SKEP_LOOP_H

#include <stdint.h> /* of the C library: from here on _POSIX_C_SOURCE is defined */

#if defined(__STRICT_ANSI__) && !(defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200112L)
typedef struct uv_loop_s uv_loop_t;
#else
#include <uv.h>
#endif

#endif
