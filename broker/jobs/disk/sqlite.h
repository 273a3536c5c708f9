/* SPDX-License-Identifier: MIT
 * What the files that know SQLite share. */
#ifndef SKEP_JOBS_DISK_SQLITE_H
#define SKEP_JOBS_DISK_SQLITE_H

#include <sqlite3.h>

#include "jobs/disk/database.h"

enum skep__statement {
#define STATEMENT(id, checked, sql) SKEP__S_##id,
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

/* Runs one that gives no rows. A letter for each parameter: i, a uint64_t; b and t, a const struct skep_bytes *, as a
 * blob or text, borrowed until it has run; c, nothing: the checksum of all before it. */
SKEP_MUST_USE int skep__sql_run(struct skep__database *database, enum skep__statement statement, const char *types,
                                ...);

/* Rows that are read one by one */
struct skep__reading {
    struct skep__database *database;
    sqlite3_stmt *statement; /* NULL: it could not begin */
    int checked;             /* columns that are followed by their checksum */
    int status;
};

/* Begins; parameters as above. */
struct skep__reading skep__sql_read(struct skep__database *database, enum skep__statement statement, const char *types,
                                    ...);

/* Whether there is one more row, which is sound. */
bool skep__sql_next(struct skep__reading *reading);

/* The reading fails: its row is damaged. */
void skep__sql_damaged(struct skep__reading *reading);

/* Returns its status; to be called whether it has begun or not. */
SKEP_MUST_USE int skep__sql_end(struct skep__reading *reading);

/* Columns of the row; what they have is borrowed until the next. */
uint64_t skep__sql_number(sqlite3_stmt *statement, int column);
struct skep_bytes skep__sql_bytes(sqlite3_stmt *statement, int column);

/* Whether n columns are as their checksum says, which comes behind them. */
bool skep__sql_is_sound(sqlite3_stmt *statement, int from, int n);

/* A row of jobs; borrowed. */
struct skep__job_row skep__job_at(sqlite3_stmt *statement);

#endif
