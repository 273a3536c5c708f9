/* SPDX-License-Identifier: MIT
 * What the files that know SQLite share. */
#ifndef SKEP_JOBS_DISK_SQLITE_H
#define SKEP_JOBS_DISK_SQLITE_H

#include <sqlite3.h>

#include "jobs/disk/database.h"

enum skep__statement {
#define STATEMENT(id, sql) SKEP__S_##id,
#include "jobs/disk/statements.def"
#undef STATEMENT
    SKEP__STATEMENTS
};

struct skep__database {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[SKEP__STATEMENTS];
    char why[SKEP_MAX_REASON + 1];
};

/* A code of SQLite's; why is filled in. */
int skep__database_status(struct skep__database *database, int code);

#endif
