/* SPDX-License-Identifier: MIT
 * Statuses: what every function of Skep that can fail returns. */
#ifndef SKEP_STATUS_H
#define SKEP_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SKEP_MUST_USE __attribute__((warn_unused_result))
#define SKEP_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define SKEP_MUST_USE
#define SKEP_PRINTF(text, first)
#endif

/* 0 is success; a function that fails leaves its outputs untouched. */
enum skep_status {
#define ERROR(name, value, exit_status, text) SKEP_##name = value,
#include <skep/errors.def>
#undef ERROR
};

/* Text of a status, never NULL; borrowed, lives as long as the program. */
const char *skep_strerror(int status);

/* Name of a status without its prefix, such as "EADDRINUSE"; borrowed, never NULL. */
const char *skep_status_name(int status);

/* Exit status with which Skep's own commands end for this status (docs/exit-status.md). */
int skep_exit_status(int status);

/* A worker that exits with this status before it was ever ready says that starting it again is useless (EX_CONFIG): its
 * arguments or its configuration are wrong, or it cannot listen. skep run stops all workers, and exits with it, too. */
#define SKEP_EXIT_UNSTARTABLE 78

/* The status for an errno; SKEP_ESYS for one that has no row of its own. EAGAIN is SKEP_EAGAIN, though fork and
 * pthread_create mean SKEP_ENPROC by it. */
int skep_status_of_errno(int error);

#ifdef __cplusplus
}
#endif
#endif
