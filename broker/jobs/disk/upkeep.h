/* SPDX-License-Identifier: MIT
 * A directory of jobs while no broker has it open: whether its file is whole, and what can be had of one that is
 * damaged. */
#ifndef SKEP_JOBS_DISK_UPKEEP_H
#define SKEP_JOBS_DISK_UPKEEP_H

#include <limits.h>
#include <skep/status.h>
#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "contract.h"
#include "jobs/disk/database.h"

/* What a file has */
struct skep__holdings {
    uint64_t queues, jobs /* that are not dead */, dead, keys, results;
};

struct skep__check {
    struct skep__holdings has; /* as far as it can be read */
    uint64_t findings;
};

/* Looks at all of the file and calls back for each thing that is wrong, with one line, borrowed. Nothing is changed.
 * Errors, with one line in why: those of skep__database_open; SKEP_ENOTFOUND (there is no file). */
typedef void (*skep__finding_cb)(void *context, const char *what);
SKEP_MUST_USE int skep__jobs_check(const char *dir, skep__finding_cb found, void *context, struct skep__check *check,
                                   char why[SKEP_MAX_REASON + 1]);

struct skep__repair {
    struct skep__holdings has;
    uint64_t unsound;     /* rows that were damaged */
    uint64_t unreadable;  /* pages */
    bool lost_log;        /* what was committed last could not be read */
    char aside[PATH_MAX]; /* where the damaged file is now */
};

/* Writes all rows that prove to be whole, by their checksums, into a new file, which takes the place of the old one;
 * this is kept aside. Interrupted, it can be called again. Errors, with one line in why: SKEP_EBUSY (a broker has it
 * open), SKEP_ENOTFOUND, SKEP_ENOSPC, SKEP_ENOMEM, SKEP_EDIR, SKEP_ESYS. */
SKEP_MUST_USE int skep__jobs_repair(const char *dir, struct skep__repair *repair, char why[SKEP_MAX_REASON + 1]);

/* --- copies --- */

/* A job as it is copied; times are of the wall clock, in milliseconds since 1970 */
struct skep__kept_job {
    struct skep_bytes queue, data, key; /* key: empty: it has none */
    uint8_t priority;
    uint64_t accepted, expires; /* expires: 0: never */
    uint32_t lease_ms;          /* 0: the queue's */
    uint16_t attempts;
    struct skep__job_row row; /* its id, and all that is known of it besides */
};

/* Calls back for each job, in the order of ids; what it is given is borrowed. What the callback returns ends the copy,
 * unless it is SKEP_OK, and is returned. Errors, with one line in why: as skep__jobs_check, and SKEP_EDIR (it is
 * damaged). */
typedef int (*skep__kept_job_cb)(void *context, const struct skep__kept_job *job);
SKEP_MUST_USE int skep__jobs_export(const char *dir, skep__kept_job_cb copy, void *context,
                                    char why[SKEP_MAX_REASON + 1]);

struct skep__import;

/* Opens or makes the file. Errors, with one line in why: those of skep__database_open. */
SKEP_MUST_USE int skep__import_new(struct skep__import **import, const char *dir, char why[SKEP_MAX_REASON + 1]);

/* Adds a copy of a job, which keeps its id if that is greater than all that the file ever gave, and gets the next one
 * else. Errors: SKEP_EINVAL (the queue has no name, or it is too long), SKEP_ETOOBIG (data, key), those of the
 * database.
 */
SKEP_MUST_USE int skep__import_add(struct skep__import *import, const struct skep__kept_job *job);

/* Makes all that was added permanent, at once. Errors: those of the database. */
SKEP_MUST_USE int skep__import_commit(struct skep__import *import);

/* In words, what failed last. */
const char *skep__import_why(const struct skep__import *import);

/* Sets *import to NULL; what was not committed is not there. NULL is allowed. */
void skep__import_free(struct skep__import **import);

#endif
