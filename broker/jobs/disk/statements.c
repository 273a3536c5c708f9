/* SPDX-License-Identifier: MIT
 * Statements: bound, run and read. Each row has a checksum of its own in its last column, for a flipped bit in a number
 * or in a payload is nothing that SQLite could see. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jobs/disk/checksum.h"
#include "jobs/disk/sqlite.h"

static const struct {
    const char *sql;
    int checked; /* so many columns are followed by their checksum; 0: none is */
} texts[] = {
#define STATEMENT(id, checked, sql) {sql, checked},
#include "jobs/disk/statements.def"
#undef STATEMENT
};

/* --- what is wrong --- */

int skep__database_status(struct skep__database *d, int code) {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return SKEP_OK;
    int error = sqlite3_system_errno(d->sqlite);
    snprintf(d->why, sizeof d->why, "%s", sqlite3_errmsg(d->sqlite));
    switch (code & 0xff) {
    case SQLITE_FULL: return SKEP_ENOSPC;
    case SQLITE_NOMEM: return SKEP_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return SKEP_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return SKEP_EDIR;
    default: break;
    }
    if (error == ENOSPC || error == EDQUOT) return SKEP_ENOSPC;
    if (error != 0) snprintf(d->why, sizeof d->why, "%s: %s", sqlite3_errstr(code), strerror(error));
    return SKEP_ESYS;
}

/* --- columns --- */

uint64_t skep__sql_number(sqlite3_stmt *statement, int column) {
    return (uint64_t)sqlite3_column_int64(statement, column);
}

struct skep_bytes skep__sql_bytes(sqlite3_stmt *statement, int column) {
    const char *data = sqlite3_column_blob(statement, column);
    return (struct skep_bytes){data, (size_t)sqlite3_column_bytes(statement, column)};
}

bool skep__sql_is_sound(sqlite3_stmt *statement, int from, int n) {
    uLong crc = 0;
    for (int column = from; column < from + n; column++) {
        const struct skep_bytes bytes = skep__sql_bytes(statement, column);
        if (sqlite3_column_type(statement, column) != SQLITE_INTEGER) crc = skep__checksum_bytes(crc, &bytes);
        else crc = skep__checksum_number(crc, skep__sql_number(statement, column));
    }
    return crc == skep__sql_number(statement, from + n);
}

/* --- statements --- */

static int prepare(struct skep__database *d, enum skep__statement s, sqlite3_stmt **statement) {
    if (d->statements[s] == NULL) {
        int code = sqlite3_prepare_v3(d->sqlite, texts[s].sql, -1, SQLITE_PREPARE_PERSISTENT, &d->statements[s], NULL);
        if (code != SQLITE_OK) return skep__database_status(d, code);
    }
    *statement = d->statements[s];
    return SKEP_OK;
}

static int bind_bytes(sqlite3_stmt *statement, int at, const struct skep_bytes *bytes, bool text) {
    const char *data = bytes->size_bytes > 0 ? bytes->data : "";
    if (text) return sqlite3_bind_text64(statement, at, data, bytes->size_bytes, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, at, data, bytes->size_bytes, SQLITE_STATIC);
}

static int bind_all(struct skep__database *d, enum skep__statement s, sqlite3_stmt **out, const char *types,
                    va_list values) {
    int status = prepare(d, s, out), code = SQLITE_OK;
    uLong crc = 0;
    for (int at = 1; status == SKEP_OK && code == SQLITE_OK && types[at - 1] != '\0'; at++) {
        const char type = types[at - 1];
        if (type == 'c') {
            code = sqlite3_bind_int64(*out, at, (sqlite3_int64)crc);
        } else if (type == 'i') {
            const uint64_t number = va_arg(values, uint64_t);
            crc = skep__checksum_number(crc, number);
            code = sqlite3_bind_int64(*out, at, (sqlite3_int64)number);
        } else {
            const struct skep_bytes *bytes = va_arg(values, const struct skep_bytes *);
            crc = skep__checksum_bytes(crc, bytes);
            code = bind_bytes(*out, at, bytes, type == 't');
        }
    }
    return status != SKEP_OK ? status : skep__database_status(d, code);
}

int skep__sql_run(struct skep__database *d, enum skep__statement s, const char *types, ...) {
    sqlite3_stmt *statement;
    va_list values;
    va_start(values, types);
    int status = bind_all(d, s, &statement, types, values);
    va_end(values);
    if (status != SKEP_OK) return status;
    status = skep__database_status(d, sqlite3_step(statement));
    sqlite3_reset(statement);
    return status;
}

struct skep__reading skep__sql_read(struct skep__database *d, enum skep__statement s, const char *types, ...) {
    struct skep__reading reading = {.database = d, .checked = texts[s].checked};
    va_list values;
    va_start(values, types);
    reading.status = bind_all(d, s, &reading.statement, types, values);
    va_end(values);
    return reading;
}

bool skep__sql_next(struct skep__reading *reading) {
    if (reading->status != SKEP_OK) return false;
    int code = sqlite3_step(reading->statement);
    if (code != SQLITE_ROW) {
        reading->status = skep__database_status(reading->database, code);
    } else if (reading->checked > 0 && !skep__sql_is_sound(reading->statement, 0, reading->checked)) {
        skep__sql_damaged(reading);
    }
    return code == SQLITE_ROW && reading->status == SKEP_OK;
}

void skep__sql_damaged(struct skep__reading *reading) {
    struct skep__database *d = reading->database;
    const struct skep_bytes first = skep__sql_bytes(reading->statement, 0);
    snprintf(d->why, sizeof d->why, "row %.*s of table %s is damaged",
             (int)(first.size_bytes < 32 ? first.size_bytes : 32), first.data,
             sqlite3_column_table_name(reading->statement, 0));
    reading->status = SKEP_EDIR;
}

int skep__sql_end(struct skep__reading *reading) {
    if (reading->statement != NULL) sqlite3_reset(reading->statement);
    return reading->status;
}
