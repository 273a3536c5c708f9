/* SPDX-License-Identifier: MIT
 * What both a check and a repair count. */
#ifndef SKEP_JOBS_DISK_HOLDINGS_H
#define SKEP_JOBS_DISK_HOLDINGS_H

#include "jobs/disk/sqlite.h"
#include "jobs/disk/upkeep.h"

/* Of a row of jobs: the job is in no row of frames. */
#define SKEP__STRAY_JOB \
    "id >= coalesce((SELECT first + n FROM frames WHERE first <= id ORDER BY first DESC LIMIT 1), 0)"

/* Counts what is there. Errors: those of the database. */
SKEP_MUST_USE int skep__holdings_count(struct skep__database *database, struct skep__holdings *has);

/* The first column of the first row of a query, as a number; 0: there is none. */
SKEP_MUST_USE int skep__query_number(struct skep__database *database, const char *sql, uint64_t *number);

/* Jobs of a class that have not ended, in rows from this one on. */
SKEP_MUST_USE int skep__count_stored(struct skep__database *database, uint32_t queue, unsigned class, uint64_t first,
                                     uint64_t *n);

#endif
