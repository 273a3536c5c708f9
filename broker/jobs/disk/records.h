/* SPDX-License-Identifier: MIT
 * Rows found in the pages of a file, without the trees that lead to them: what its own checksum proves to be a row is
 * one. */
#ifndef SKEP_JOBS_DISK_RECORDS_H
#define SKEP_JOBS_DISK_RECORDS_H

#include "command.h"
#include "jobs/disk/pages.h"

enum { SKEP__MOST_COLUMNS = 18 };

enum skep__value_type { SKEP__VALUE_NULL, SKEP__VALUE_INTEGER, SKEP__VALUE_BLOB, SKEP__VALUE_TEXT };

struct skep__value {
    enum skep__value_type type;
    int64_t number;          /* INTEGER */
    struct skep_bytes bytes; /* BLOB, TEXT */
};

/* A row: its columns, the last of which is the checksum */
struct skep__record {
    unsigned count;
    struct skep__value values[SKEP__MOST_COLUMNS];
};

/* What was found */
struct skep__scan {
    uint64_t records;
    uint64_t unsound;    /* entries that are no rows, or damaged ones; entries of indexes are not counted */
    uint32_t unreadable; /* pages that are used and are not of any kind that is known */
};

/* Calls back for each row; what it is given is borrowed. What the callback returns ends the scan, unless it is SKEP_OK,
 * and is returned. Errors: SKEP_ENOMEM. */
typedef int (*skep__record_cb)(void *context, const struct skep__record *record);
SKEP_MUST_USE int skep__records_scan(const struct skep__pages *pages, skep__record_cb found, void *context,
                                     struct skep__scan *scan);

#endif
